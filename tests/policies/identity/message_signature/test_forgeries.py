"""No forged request gets in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.testing import FakeUpstream, route
from tests.policies.identity.message_signature.asking import a_policy, cause, outcome, sent, signed
from tests.policies.identity.message_signature.forging import (
    ALL,
    BODY,
    FORGERIES,
    GOOD,
    INVALID,
    PASSED,
    changed,
    field,
    resigned,
)


async def test_whoever_has_the_key_and_covers_all_gets_in() -> None:
    exchange = sent(resigned(ALL, f'{GOOD};alg="hmac-sha256";nonce="n";x=?0')(signed(body=BODY)))

    assert PASSED == await outcome(a_policy(), exchange), cause(exchange)


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
async def test_a_forged_request_is_refused(forge: Any) -> None:
    exchange = sent(forge(signed(body=BODY)))

    assert INVALID == await outcome(a_policy(), exchange)
    assert cause(exchange)
    assert exchange.identity is None


async def test_an_attacker_learns_nothing_of_what_was_wrong() -> None:
    policy, said = a_policy(), set()
    for forge in FORGERIES.values():
        response = await route(policy, upstream=FakeUpstream(200)).respond(sent(forge(signed(body=BODY))))
        said.add(bytes(response.content))  # type: ignore[arg-type]

    assert 1 == len(said)


REQUESTS = st.builds(
    lambda method, path, query, host, body: (method, path + query, [("Host", host)], body),
    st.sampled_from(["GET", "POST", "PUT"]),
    st.from_regex(r"/[a-z0-9/._~%-]{0,12}", fullmatch=True),
    st.from_regex(r"(\?[a-z0-9=&%+]{0,12})?", fullmatch=True),
    st.sampled_from(["example.com", "a.example:8443", "[::1]:81"]),
    st.binary(max_size=30),
)
PARTS = st.sampled_from(["method", "target", "host", "body", "digest"])


@settings(deadline=None)
@given(REQUESTS, REQUESTS, PARTS)
async def test_no_mutation_of_what_is_covered_is_accepted(one: Any, other: Any, part: str) -> None:
    made, strange = signed(*one[:2], one[2], one[3]), signed(*other[:2], other[2], other[3])
    # RFC 9421, section 2.2.7: an empty query is signed as none is, so it counts as signed for none.
    before = (made.method, made.target.removesuffix("?"), made.headers[0][1], made.body)
    if part == "digest":
        digest = [each for each in strange.headers if each[0] == "Content-Digest"]
        changed(made, "Content-Digest", digest[0][1] if digest else None)
    elif part == "host":
        made.headers[0] = strange.headers[0]
    else:
        setattr(made, part, getattr(strange, part))
    same = before == (made.method, made.target, made.headers[0][1], made.body)
    same &= part != "digest" or not one[3] or one[3] == other[3]
    expected = PASSED if same else INVALID

    assert expected == await outcome(a_policy(), sent(made))


@settings(deadline=None)
@given(st.data())
async def test_no_byte_of_a_signature_or_its_input_can_be_changed(data: st.DataObject) -> None:
    made = signed(body=BODY)
    name = data.draw(st.sampled_from(["Signature", "Signature-Input"]))
    value = field(made, name)
    at = data.draw(st.integers(0, len(value) - 1))
    new = chr(data.draw(st.integers(32, 126)))
    if value[at] == new:
        return
    changed(made, name, value[:at] + new + value[at + 1 :])

    assert (await outcome(a_policy(), sent(made)))[0] == 401
