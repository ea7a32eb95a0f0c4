"""What a signature covers, and what it has to cover."""

from __future__ import annotations

import hmac
from base64 import b64encode

import pytest

from proxy.algorithms.structured_fields import InnerList, Item, item
from proxy.policies.identity.message_signature.components import (
    NotAsAgreed,
    components_of,
    message,
    signature_base,
)
from tests.policies.identity.message_signature.asking import SECRET, a_policy, cause, outcome, sent, signed
from tests.policies.identity.message_signature.forging import GOOD, HEAD, INVALID, PASSED, changed


@pytest.mark.parametrize("component", ["@target-uri", "@request-target", "@scheme", "x-tenant"])
async def test_what_a_policy_wants_to_be_covered_is(component: str) -> None:
    wanted = {"components": ["@method", component]}
    made = signed(
        fields=[("Host", "example.com"), ("X-Tenant", "acme")], public_url="https://example.com", **wanted
    )
    policy = a_policy(**wanted)

    assert PASSED == await outcome(policy, sent(made))
    assert INVALID == await outcome(policy, sent(signed()))


async def test_the_target_uri_covers_what_it_is_made_of() -> None:
    made = signed(components=["@method", "@target-uri"], public_url="https://example.com")

    assert PASSED == await outcome(a_policy(), sent(made))


async def test_the_scheme_is_the_clients() -> None:
    made = signed(components=["@method", "@target-uri"], public_url="https://example.com")

    assert INVALID == await outcome(a_policy(), sent(made, secure=False))


async def test_a_query_that_is_not_there_need_not_be_covered_and_cannot_be_added() -> None:
    three = {"components": ["@method", "@authority", "@path"]}

    assert PASSED == await outcome(a_policy(), sent(signed(target="/foo", **three)))
    made = signed(target="/foo", **three)
    made.target = "/foo?admin=1"
    assert INVALID == await outcome(a_policy(), sent(made))


async def test_an_empty_query_is_not_signed_by_a_signature_of_none() -> None:
    made = signed(target="/foo")
    made.target = "/foo?"
    whole = signed(target="/foo?", components=["@method", "@target-uri"], public_url="https://example.com")

    assert INVALID == await outcome(a_policy(), sent(made))
    assert PASSED == await outcome(a_policy(), sent(whole))


async def test_behind_a_proxy_the_url_is_the_one_that_clients_use() -> None:
    url = {"public_url": "https://api.example.com/v1", "components": ["@method", "@target-uri"]}
    made = signed(fields=[("Host", "internal:8080")], **url)

    assert PASSED == await outcome(a_policy(**url), sent(made, secure=False))
    assert INVALID == await outcome(a_policy(components=["@method", "@target-uri"]), sent(made))


@pytest.mark.parametrize(
    ("component", "value", "line"),
    [
        ('"x-a";bs', ["a ", " b"], '"x-a";bs: :YQ==:, :Yg==:'),
        ('"priority";sf', ["u=1,   i=?1"], '"priority";sf: u=1, i'),
        ('"priority";key="u"', ["u=1", "i"], '"priority";key="u": 1'),
        ('"x-a"', [" a ", "b"], '"x-a": a, b'),
        ('"@query-param";name="Pet"', [], '"@query-param";name="Pet": dog'),
    ],
    ids=["bs", "sf", "key", "joined", "a parameter"],
)
async def test_components_with_parameters_are_understood(component: str, value: list[str], line: str) -> None:
    name = component.split('"')[1]
    made = signed()
    made.headers += [(name, each) for each in value]
    covered = f"{HEAD} {component}"
    base = "\n".join([
        '"@method": POST', '"@authority": example.com', '"@path": /foo', '"@query": ?param=Value&Pet=dog',
        line, f'"@signature-params": ({covered}){GOOD}',
    ])  # fmt: skip
    mac = b64encode(hmac.digest(SECRET.encode(), base.encode(), "sha256")).decode()
    changed(made, "Signature-Input", f"sig1=({covered}){GOOD}")
    changed(made, "Signature", f"sig1=:{mac}:")
    exchange = sent(made)

    assert PASSED == await outcome(a_policy(), exchange), cause(exchange)


@pytest.mark.parametrize(
    ("component", "value"),
    [
        ('"x-a";sf', "1"), ('"priority";sf', "u=("), ('"priority";key="z"', "u=1"), ('"x-a";tr', "a"),
        ('"x-a";bs;sf', "a"), ('"x-a";bs=?0', "a"), ('"@method";sf', ""), ('"@query-param"', ""),
        ('"@query-param";name="no"', ""), ('"@query-param";name=Pet', ""), ("5", ""), ('"x-a" "x-a";sf', "1"),
    ],
)  # fmt: skip
async def test_components_that_cannot_be_read_in_one_way_are_refused(component: str, value: str) -> None:
    made = signed()
    made.headers.append((component.split('"')[1] if '"' in component else "x", value))
    changed(made, "Signature-Input", f"sig1=({HEAD} {component}){GOOD}")

    assert INVALID == await outcome(a_policy(), sent(made))


@pytest.mark.parametrize(
    ("component", "values", "line"),
    [
        ('"accept-ch";sf', ["a,  b;x"], '"accept-ch";sf: a, b;x'),
        ('"idempotency-key";sf', [' "k" '], '"idempotency-key";sf: "k"'),
        ('"@scheme"', [], '"@scheme": https'),
        ('"@request-target"', [], '"@request-target": /foo?param=Value&Pet=dog'),
    ],
)
def test_a_line_of_what_is_signed(component: str, values: list[str], line: str) -> None:
    fields = [("Host", "example.com"), *((component.split('"')[1], value) for value in values)]
    asked = message("GET", "/foo?param=Value&Pet=dog", fields, secure=True, public_url=None)
    signed_ = InnerList((item(component),), {"created": 1})

    assert (
        f'{line}\n"@signature-params": ({component});created=1'
        == signature_base(asked, components_of(signed_), signed_).decode()
    )


def test_more_components_than_anybody_needs_are_refused() -> None:
    with pytest.raises(NotAsAgreed, match="more than 64"):
        components_of(InnerList(tuple(Item(f"a{n}", {}) for n in range(65)), {}))


def test_a_value_with_a_line_end_cannot_pose_as_another_component() -> None:
    asked = message("GET", "/", [("Host", "a"), ("X-A", 'x\n"@method": POST')], secure=True, public_url=None)
    signed_ = InnerList((Item("x-a", {}),), {})

    with pytest.raises(NotAsAgreed, match="line end"):
        signature_base(asked, components_of(signed_), signed_)
