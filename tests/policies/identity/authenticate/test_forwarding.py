"""Facts about a caller, and the names that no client may use."""

from __future__ import annotations

import pytest

from proxy.config.units import HeaderName
from proxy.exchange import Identity
from proxy.policies.identity.authenticate.forwarding import Fact, count_of_spellings, dropped_names


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("auth.id", True),
        ("auth.method", True),
        ("auth.claims.plan", True),
        ("auth.claims.https://id.example/plan", True),
        ("auth.claims.realm_access.roles", True),
        ("auth.claims", False),
        ("auth.claims.", False),
        ("auth.claims..x", False),
        ("auth.ids", False),
        ("auth.id\n", False),
        ("client.ip", False),
        (3, False),
    ],
)
def test_what_is_known_of_a_caller(text: object, valid: bool) -> None:
    said = ""
    try:
        assert text == Fact.parse(text)
    except ValueError as error:
        said = str(error)

    assert valid != ("expected auth.id, auth.method or auth.claims.NAME" in said)


def test_a_claim_is_found_by_its_whole_name_before_it_is_looked_for_within_others() -> None:
    claims = {"https://id.example/plan": "gold", "a.b": "whole", "a": {"b": "within", "c": "deep"}}

    assert ["gold", "whole", "deep"] == [
        Fact.parse(f"auth.claims.{name}").of(Identity("x", "jwt", claims))
        for name in ("https://id.example/plan", "a.b", "a.c")
    ]


@pytest.mark.parametrize("names", [(), ("X-Id",), ("X-Auth-Id", "X_Plan"), ("A-b_c-d", "E")])
def test_names_are_counted_without_making_them(names: tuple[str, ...]) -> None:
    forward = {HeaderName(name): Fact("auth.id") for name in names}

    assert len(dropped_names(forward)) == count_of_spellings(forward)


def test_every_mix_of_dashes_and_underscores_is_dropped() -> None:
    assert {b"x-auth-id", b"x_auth-id", b"x-auth_id", b"x_auth_id"} == dropped_names(
        {HeaderName("X-Auth_Id"): Fact("auth.id")}
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [("gold", "gold"), (True, "true"), (3, "3"), (["a", 1], '["a",1]'), ({"größe": None}, '{"größe":null}')],
)
def test_text_is_itself_and_all_else_is_json(value: object, text: str) -> None:
    assert text == Fact("auth.claims.x").of(Identity("a", "jwt", {"x": value}))


@pytest.mark.parametrize("value", ["a\nb", " a", "", "\udc80", "a" * 4097, ["a" * 4097], object()])
def test_what_can_not_stand_in_a_header_is_told_of_without_it(value: object) -> None:
    with pytest.raises(ValueError, match=r"^auth\.claims\.x (is|can't)") as raised:
        Fact("auth.claims.x").of(Identity("a", "jwt", {"x": value}))

    assert "aaaa" not in str(raised.value)


def test_who_a_caller_is_and_how_that_was_proved() -> None:
    assert ["a", "jwt"] == [Fact(f"auth.{name}").of(Identity("a", "jwt")) for name in ("id", "method")]
