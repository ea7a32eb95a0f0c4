"""What an authenticator makes of who it has identified."""

from __future__ import annotations

import pytest

from proxy.errors import Rejection
from proxy.exchange import Identity
from proxy.policies.authenticator import settle
from proxy.testing import exchange

MISSING = (401, "x.missing", "Show something.")
CHALLENGE = [("WWW-Authenticate", "X")]


@pytest.mark.parametrize(("before", "id_"), [(None, "now"), (Identity("before", "y"), "before")])
def test_the_caller_is_who_it_was_said_to_be_first(before: Identity | None, id_: str) -> None:
    asked = exchange()
    asked.identity = before

    settle(asked, Identity("now", "x"), MISSING, CHALLENGE)

    assert asked.identity is not None
    assert id_ == asked.identity.id


def test_where_nothing_was_shown_the_client_is_told_what_to_show() -> None:
    with pytest.raises(Rejection) as raised:
        settle(exchange(), None, MISSING, CHALLENGE)

    assert (401, "x.missing", CHALLENGE) == (raised.value.status, raised.value.reason, raised.value.headers)
