"""What comes of several answers about one request."""

from __future__ import annotations

import pytest

from proxy.errors import Rejection
from proxy.exchange import Identity
from proxy.policies.identity.authenticate.verdict import Verdict

WHO = Identity("acme", "api_key")
WRONG = Rejection(401, "api_key.invalid", cause="unknown", facts={"n": 1})
FORBIDDEN = Rejection(403, "jwt.forbidden", cause="the claim role is another, or not there")
WRONG_TOKEN = Rejection(401, "jwt.invalid")
AWAY = Rejection(503, "jwt.unavailable", retry_after=3)
AWAY_LONGER = Rejection(503, "jwt.unavailable", retry_after=9)


def verdict(*said: tuple[str, Identity | Rejection | None]) -> Verdict:
    made = Verdict()
    for kind, what in said:
        if isinstance(what, Rejection):
            made.refused(kind, what)
        else:
            made.heard(kind, what)
    return made


@pytest.mark.parametrize(
    ("said", "identity", "wrong", "unjudged"),
    [
        pytest.param((), None, False, False, id="nothing"),
        pytest.param((("api_key", None),), None, False, False, id="nothing shown"),
        pytest.param((("api_key", WHO),), WHO, False, False, id="accepted"),
        pytest.param((("api_key", WRONG),), None, True, False, id="wrong"),
        pytest.param((("api_key", WRONG), ("api_key", WHO)), WHO, False, False, id="right for another"),
        pytest.param((("api_key", WHO), ("api_key", WRONG)), WHO, False, False, id="in the other order"),
        pytest.param((("api_key", WRONG), ("basic_auth", WHO)), WHO, True, False, id="of another kind"),
        pytest.param((("jwt", AWAY), ("api_key", None)), None, True, True, id="nobody can tell"),
        pytest.param((("jwt", AWAY), ("jwt", WHO)), WHO, False, False, id="another can"),
        pytest.param((("jwt", AWAY), ("api_key", WHO)), WHO, True, True, id="one of another kind accepts"),
        pytest.param((("jwt", AWAY), ("api_key", WRONG)), None, True, True, id="unjudged beside wrong"),
    ],
)
def test_a_verdict(
    said: tuple[tuple[str, Identity | Rejection | None], ...],
    identity: Identity | None,
    wrong: bool,
    unjudged: bool,
) -> None:
    made = verdict(*said)

    assert (identity, wrong, unjudged) == (made.identity, made.wrong, made.unjudged)


def test_what_is_told_of_it() -> None:
    made = verdict(("jwt", AWAY), ("jwt", AWAY_LONGER), ("api_key", WRONG))

    assert (9, "jwt.unavailable; jwt.unavailable; api_key.invalid: unknown", {"n": 1}) == (
        made.retry_after,
        made.cause,
        made.facts,
    )


@pytest.mark.parametrize(
    "other",
    [Rejection(413, "size_limit.body"), Rejection(503, "buffers.full")],
    ids=["a body that is too large", "no room for a body"],
)
def test_what_is_about_no_credential_goes_on_as_it_is(other: Rejection) -> None:
    with pytest.raises(Rejection) as raised:
        verdict(("webhook_signature", other))

    assert other is raised.value


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param((("jwt", FORBIDDEN),), FORBIDDEN, id="by itself"),
        pytest.param((("jwt", FORBIDDEN), ("jwt", WHO)), None, id="another of its kind allows it"),
        pytest.param((("jwt", WRONG_TOKEN), ("jwt", FORBIDDEN)), FORBIDDEN, id="one for another issuer"),
        pytest.param((("jwt", FORBIDDEN), ("jwt", WRONG_TOKEN)), FORBIDDEN, id="in the other order"),
        pytest.param((("jwt", FORBIDDEN), ("api_key", WHO)), FORBIDDEN, id="beside a right key"),
        pytest.param((("jwt", FORBIDDEN), ("api_key", WRONG)), None, id="beside a wrong key"),
        pytest.param((("api_key", WHO),), None, id="nothing is forbidden"),
    ],
)
def test_what_is_right_and_allows_too_little(
    said: tuple[tuple[str, Identity | Rejection | None], ...], expected: Rejection | None
) -> None:
    assert expected is verdict(*said).forbidden
