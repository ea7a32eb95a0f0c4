"""Who is let in by a signature, and who is not."""

from __future__ import annotations

import hmac
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.exchange import Exchange, Identity
from proxy.policies.keys import SIGNATURE
from proxy.policy import Hooks, Unsigned
from proxy.shadow import in_shadow
from proxy.testing import Chunks, FakeUpstream, route
from tests.policies.identity.message_signature import rfc9421 as rfc
from tests.policies.identity.message_signature.asking import (
    KEYS,
    NOW,
    SECRET,
    a_config,
    a_policy,
    asked,
    cause,
    outcome,
    sent,
    signed,
)
from tests.policies.reading import fields, problems

PASSED = (200, None)
MISSING = (401, "message_signature.missing")
INVALID = (401, "message_signature.invalid")
EXPIRED = (401, "message_signature.expired")
BODY = b'{"amount": 5}'


def test_a_request_is_signed_by_what_the_tests_sign_with() -> None:
    """So that what is refused below is refused for what it says."""
    made = signed(body=BODY)

    assert {"Host", "Content-Digest", "Signature-Input", "Signature"} == {name for name, _ in made.headers}


@pytest.mark.parametrize("secure", [True, False])
async def test_a_signed_request_gets_in_and_is_known_by_its_key(secure: bool) -> None:
    exchange = sent(signed(body=BODY), secure=secure)

    assert PASSED == await outcome(a_policy(), exchange), cause(exchange)
    assert Identity("me", "message_signature") == exchange.identity


async def test_who_was_known_before_stays_known() -> None:
    exchange = sent(signed())
    exchange.identity = Identity("joe", "api_key")
    await outcome(a_policy(), exchange)

    assert "joe" == exchange.identity.id


async def test_what_nobody_signed_is_asked_to_be() -> None:
    response = await route(a_policy(), upstream=FakeUpstream(200)).respond(asked(fields=[("Host", "a")]))

    assert (401, ["Signature"]) == (response.status, fields(response)["www-authenticate"])


async def test_who_shows_nothing_differs_from_who_is_wrong() -> None:
    policy = a_policy()
    nobody = asked(fields=[("Host", "a"), ("Signature", "sig1=:AA==:")])

    assert MISSING == await outcome(policy, nobody)
    assert await policy.identify(nobody) is None
    known = await policy.identify(sent(signed()))
    assert (known is not None, INVALID) == (
        True,
        await outcome(policy, asked(fields=[("Host", "a"), ("Signature-Input", "sig1=()")])),
    )


# ---- forgeries


def field(made: Unsigned, name: str) -> str:
    return next(value for each, value in made.headers if each == name)


def changed(made: Unsigned, name: str, value: str | None) -> Unsigned:
    made.headers = [each for each in made.headers if each[0] != name]
    if value is not None:
        made.headers.append((name, value))
    return made


def replaced(name: str, old: str, new: str) -> Any:
    def forge(made: Unsigned) -> Unsigned:
        assert old in field(made, name)
        return changed(made, name, field(made, name).replace(old, new))

    return forge


def added(name: str, value: str) -> Any:
    def forge(made: Unsigned) -> Unsigned:
        made.headers.append((name, value))
        return made

    return forge


def put(name: str, value: str | None) -> Any:
    return lambda made: changed(made, name, value)


def with_target(target: str) -> Any:
    def forge(made: Unsigned) -> Unsigned:
        made.target = target
        return made

    return forge


def with_body(body: bytes) -> Any:
    def forge(made: Unsigned) -> Unsigned:
        made.body = body
        return made

    return forge


def with_method(method: str) -> Any:
    def forge(made: Unsigned) -> Unsigned:
        made.method = method
        return made

    return forge


def resigned(covered: str, parameters: str, secret: str = SECRET, base: str | None = None) -> Any:
    """By somebody who has a key, and uses it in a way of his own."""

    def forge(made: Unsigned) -> Unsigned:
        values = {
            "@method": made.method,
            "@authority": "example.com",
            "@path": "/foo",
            "@query": "?param=Value&Pet=dog",
            "content-digest": field(made, "Content-Digest"),
            "@status": "200",
            "host": "example.com",
        }
        lines = [f'"{name}": {values.get(name, "")}' for name in covered.replace('"', "").split()]
        text = base or "\n".join([*lines, f'"@signature-params": ({covered}){parameters}'])
        made_of = b64encode(hmac.digest(secret.encode(), text.encode(), "sha256")).decode()
        changed(made, "Signature-Input", f"sig1=({covered}){parameters}")
        return changed(made, "Signature", f"sig1=:{made_of}:")

    return forge


HEAD = '"@method" "@authority" "@path" "@query"'
ALL = f'{HEAD} "content-digest"'
GOOD = f';created={NOW};keyid="me"'
SIGNATURE_TWICE = "sig1=:AA==:, sig1=:AA==:"

FORGERIES = {
    "another method": with_method("PUT"),
    "a method in small letters": with_method("post"),
    "another path": with_target("/fop?param=Value&Pet=dog"),
    "a path in other letters": with_target("/FOO?param=Value&Pet=dog"),
    "a path that is encoded": with_target("/%66oo?param=Value&Pet=dog"),
    "a slash more": with_target("/foo/?param=Value&Pet=dog"),
    "another value in the query": with_target("/foo?param=Value&Pet=cat"),
    "a parameter more": with_target("/foo?param=Value&Pet=dog&admin=1"),
    "no query": with_target("/foo"),
    "an empty query": with_target("/foo?"),
    "the query in another order": with_target("/foo?Pet=dog&param=Value"),
    "an absolute target": with_target("http://example.com/foo?param=Value&Pet=dog"),
    "no path at all": with_target("*"),
    "another host": put("Host", "evil.example"),
    "another port": put("Host", "example.com:8443"),
    "no host": put("Host", None),
    "a second host": added("Host", "evil.example"),
    "another body": with_body(b'{"amount": 6}'),
    "a longer body": with_body(BODY + b" "),
    "no body": with_body(b""),
    "another digest": put("Content-Digest", "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"),
    "no digest": put("Content-Digest", None),
    "a second digest": added("Content-Digest", "sha-512=:AA==:"),
    "a digest by an algorithm that is broken": put("Content-Digest", "md5=:AAAAAAAAAAAAAAAAAAAAAA==:"),
    "no signature": put("Signature", None),
    "an empty signature": put("Signature", "sig1=::"),
    "a signature with another label": replaced("Signature", "sig1", "sig2"),
    "a signature that is no bytes": put("Signature", 'sig1="AA"'),
    "a signature with a parameter": lambda made: changed(made, "Signature", field(made, "Signature") + ";a"),
    "the same label twice": put("Signature", SIGNATURE_TWICE),
    "two signature fields with one label": added("Signature", "sig1=:AA==:"),
    "two inputs with one label": added("Signature-Input", f'sig1=("@method"){GOOD}'),
    "an input that is no list": put("Signature-Input", "sig1=5"),
    "an input that is broken": put("Signature-Input", 'sig1=("@method"'),
    "an input in the wrong letters": put("Signature-Input", f"SIG1=(){GOOD}"),
    "a very long input": put("Signature-Input", "sig1=(" + '"a" ' * 3000 + f"){GOOD}"),
    "five signatures": put("Signature-Input", ", ".join(f'sig{n}=("@method"){GOOD}' for n in range(5))),
    "another time": replaced("Signature-Input", str(NOW), str(NOW + 1)),
    "a time that is text": replaced("Signature-Input", f"created={NOW}", f'created="{NOW}"'),
    "another key": replaced("Signature-Input", 'keyid="me"', 'keyid="you"'),
    "no key": replaced("Signature-Input", ';keyid="me"', ""),
    "a key without quotes": replaced("Signature-Input", 'keyid="me"', "keyid=me"),
    "an algorithm of one's own": replaced("Signature-Input", ';keyid="me"', ';keyid="me";alg="ed25519"'),
    "a nonce that was not signed": replaced("Signature-Input", ';keyid="me"', ';keyid="me";nonce="1"'),
    "less that is covered": replaced("Signature-Input", ' "@path"', ""),
    "more that is covered": replaced("Signature-Input", '"@path"', '"@path" "host"'),
    "covered in another order": replaced("Signature-Input", '"@authority" "@path"', '"@path" "@authority"'),
    "signed with another secret": resigned(ALL, GOOD, secret="f" * 32),
    "covering too little": resigned('"@method" "@authority" "content-digest"', GOOD),
    "not covering the query": resigned('"@method" "@authority" "@path" "content-digest"', GOOD),
    "not covering the digest": resigned('"@method" "@authority" "@path" "@query"', GOOD),
    "covering nothing": resigned("", GOOD),
    "covering something twice": resigned(f'{ALL} "@method"', GOOD),
    "covering a component of responses": resigned(f'{ALL} "@status"', GOOD),
    "covering a component that is none": resigned(f'{ALL} "@nonsense"', GOOD),
    "covering a header that is not there": resigned(f'{ALL} "x-not-there"', GOOD),
    "covering the parameters": resigned(f'{ALL} "@signature-params"', GOOD),
    "covering a request of a response": resigned(ALL.replace('"@method"', '"@method";req'), GOOD),
    "covering a header in capitals": resigned(f'{ALL} "Host"', GOOD),
    "without a time": resigned(ALL, ';keyid="me"'),
    "with an algorithm that is not the key's": resigned(ALL, f'{GOOD};alg="hmac-sha512"'),
    "with a time that is a decimal": resigned(ALL, f';created={NOW}.0;keyid="me"'),
    "with a component that poses as two": resigned(
        ALL, GOOD, base=f'"@method": POST\n"@path": /\n"@signature-params": ({ALL}){GOOD}'
    ),
}  # fmt: skip


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
    before = (made.method, made.target, made.headers[0][1], made.body)
    if part == "digest":
        digest = [each for each in strange.headers if each[0] == "Content-Digest"]
        changed(made, "Content-Digest", digest[0][1] if digest else None)
    elif part == "host":
        made.headers[0] = strange.headers[0]
    else:
        setattr(made, part, getattr(strange, part))
    same = before == (made.method, made.target, made.headers[0][1], made.body)
    expected = PASSED if same and (part != "digest" or not one[3] or one[3] == other[3]) else INVALID

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


# ---- time


@pytest.mark.parametrize(
    ("later", "parameters", "expected"),
    [
        (0, "", PASSED), (329, "", PASSED), (331, "", EXPIRED), (-29, "", PASSED), (-31, "", EXPIRED),
        (60, f";expires={NOW + 40}", PASSED), (71, f";expires={NOW + 40}", EXPIRED),
        (0, f";expires={NOW}", EXPIRED), (0, f";expires={NOW - 5}", EXPIRED), (0, ';expires="x"', INVALID),
    ],
    ids=[
        *("now", "just in time", "too old", "a clock that is slow", "from the future", "not expired"),
        *("expired", "expired when it was made", "expired before", "an expiry that is none"),
    ],
)  # fmt: skip
async def test_a_signature_is_good_for_a_time(later: float, parameters: str, expected: Any) -> None:
    exchange = sent(resigned(ALL, GOOD + parameters)(signed(body=BODY)))

    assert expected == await outcome(a_policy(now=NOW + later), exchange), cause(exchange)


async def test_who_has_no_key_does_not_learn_that_a_time_was_wrong() -> None:
    exchange = sent(resigned(ALL, GOOD, secret="f" * 32)(signed(body=BODY)))

    assert INVALID == await outcome(a_policy(now=NOW + 9999), exchange)


async def test_a_nonce_can_be_required() -> None:
    policy = a_policy(nonce="required")

    assert INVALID == await outcome(policy, sent(signed()))
    assert PASSED == await outcome(policy, sent(signed(nonce="required")))


# ---- several signatures


async def test_one_that_is_right_is_enough() -> None:
    made = signed()
    changed(made, "Signature-Input", f'other=("@method");keyid="x", {field(made, "Signature-Input")}')
    changed(made, "Signature", f"{field(made, 'Signature')}, other=:AA==:")

    assert PASSED == await outcome(a_policy(), sent(made))


@pytest.mark.parametrize(
    ("wanted", "given_", "expected"),
    [
        ({"label": "mine"}, {"label": "mine"}, PASSED),
        ({"label": "mine"}, {}, MISSING),
        ({"tag": "app"}, {"tag": "app"}, PASSED),
        ({"tag": "app"}, {"tag": "other"}, MISSING),
        ({"tag": "app"}, {}, MISSING),
    ],
    ids=["its label", "another label", "its tag", "another tag", "no tag"],
)
async def test_signatures_for_others_are_not_looked_at(wanted: Any, given_: Any, expected: Any) -> None:
    assert expected == await outcome(a_policy(**wanted), sent(signed(**given_)))


# ---- what is covered


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


# ---- the body


async def test_a_chunked_body_without_a_digest_is_refused_where_there_is_any() -> None:
    made = signed()
    for body, expected in ((Chunks(b"x"), INVALID), (Chunks(), PASSED)):
        exchange = asked(made.method, made.target, made.headers, body)
        assert expected == await outcome(a_policy(), exchange)


async def test_a_signature_may_leave_the_body_out_where_that_is_said() -> None:
    made = signed()
    made.body = b"anything"

    assert PASSED == await outcome(a_policy(digest="if_covered"), sent(made))


async def test_every_digest_that_is_covered_must_be_right() -> None:
    made = signed(body=BODY)
    both = f"{field(made, 'Content-Digest')}, sha-512=:AA==:"
    changed(made, "Content-Digest", both)
    forged = sent(resigned(ALL, GOOD)(made))

    assert INVALID == await outcome(a_policy(digest="if_covered"), forged)
    assert "the body is not what Content-Digest says" == cause(forged)


async def test_no_body_is_read_before_the_signature_is_verified() -> None:
    made = resigned(ALL, GOOD, secret="f" * 32)(signed(body=BODY))
    exchange = asked(made.method, made.target, made.headers, Chunks(BODY))
    await outcome(a_policy(), exchange)

    assert not isinstance(exchange.request.content, bytes)


# ---- neighbours


async def test_the_same_message_is_the_same_signature_for_a_memory_of_replays() -> None:
    seen = []
    for made in (signed(body=BODY), signed(body=BODY), signed(body=b"other")):
        exchange = sent(made)
        await outcome(a_policy(), exchange)
        seen.append(exchange.recall(SIGNATURE))

    assert (True, True, 64) == (seen[0] == seen[1], seen[0] != seen[2], len(seen[0] or ""))


async def test_in_shadow_it_reports_and_lets_in() -> None:
    hooks = in_shadow("message_signature", Hooks.of(a_policy()))
    refused: Exchange = asked(fields=[("Host", "a")])
    response = await route(hooks, upstream=FakeUpstream(200)).respond(refused)

    assert 200 == response.status
    assert ["message_signature.missing"] == [each.reason for each in refused.shadowed or ()]


# ---- what a file may say

ED = f'{{algorithm: ed25519, public_key: "{rfc.ED25519.strip()}"}}'.replace("\n", "\\n")


@pytest.mark.parametrize(
    ("policy", "where"),
    [
        ("{keys: {}}", "message_signature.keys"),
        ("{}", "message_signature"),
        ("{keys: {a: {algorithm: md5, public_key: x}}}", "message_signature.keys.a.algorithm"),
        ("{keys: {a: {algorithm: ed25519}}}", "message_signature.keys.a"),
        ("{keys: {a: {algorithm: ed25519, public_key: nonsense}}}", "message_signature.keys.a.public_key"),
        (
            f"{{keys: {{a: {ED.replace('ed25519', 'rsa-pss-sha512')}}}}}",
            "message_signature.keys.a.public_key",
        ),
        (
            f"{{keys: {{a: {ED.replace('ed25519', 'ecdsa-p256-sha256')}}}}}",
            "message_signature.keys.a.public_key",
        ),
        (f"{{keys: {{a: {ED.replace('ed25519', 'hmac-sha256')}}}}}", "message_signature.keys.a.public_key"),
        (f"{{keys: {{a: {ED}}}, components: []}}", "message_signature.components"),
        (f"{{keys: {{a: {ED}}}, components: ['@status']}}", "message_signature.components[0]"),
        (f"{{keys: {{a: {ED}}}, components: [Host]}}", "message_signature.components[0]"),
        (f"{{keys: {{a: {ED}}}, label: A}}", "message_signature.label"),
        (f"{{keys: {{a: {ED}}}, public_url: example.com}}", "message_signature.public_url"),
        (f"{{keys: {{a: {ED}}}, max_age: 0s}}", "message_signature.max_age"),
    ],
)
def test_a_mistake_is_found_at_its_place(policy: str, where: str, tmp_path: Path) -> None:
    assert [where] == problems(f"message_signature: {policy}", tmp_path)


def test_a_good_one_has_no_problem(tmp_path: Path) -> None:
    (tmp_path / "acme.pem").write_text(rfc.P256)
    p256 = "{algorithm: ecdsa-p256-sha256, public_key: {file: acme.pem}}"

    assert [] == problems(f"message_signature: {{keys: {{a: {ED}, b: {p256}}}}}", tmp_path)


def test_a_secret_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("short")
    policy = "message_signature: {keys: {a: {algorithm: hmac-sha256, secret: {file: s}}}}"

    assert ["message_signature.keys.a.secret"] == problems(policy, tmp_path)


# ---- rehearsals


async def test_a_rehearsal_signs_with_a_private_key_of_the_test() -> None:
    only = {"keys": {"test-key-ed25519": KEYS["test-key-ed25519"]}}

    assert PASSED == await outcome(a_policy(**only), sent(signed(body=BODY, **only)))


def test_without_a_private_key_it_says_what_is_missing() -> None:
    with pytest.raises(
        ValueError, match=r"expected one in PEM under test_secrets\.credentials for one of test"
    ):
        signed(keys={"test-key-ecc-p256": KEYS["test-key-ecc-p256"]})


def test_a_request_that_lacks_what_is_covered_cannot_be_signed() -> None:
    with pytest.raises(ValueError, match="the request has no x-tenant, which is covered; expected it"):
        signed(components=["@method", "x-tenant"])


def test_it_says_in_words_for_how_long_a_signature_is_good() -> None:
    assert ("a signature is good for 5m after it was made",) == a_config().in_words()
