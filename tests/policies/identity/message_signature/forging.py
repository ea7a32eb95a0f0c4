"""Requests that are signed, and then are not what was signed any more."""

from __future__ import annotations

import hmac
from base64 import b64encode
from typing import Any

from proxy.policy import Unsigned
from tests.policies.identity.message_signature.asking import NOW, SECRET

PASSED = (200, None)
MISSING = (401, "message_signature.missing")
INVALID = (401, "message_signature.invalid")
EXPIRED = (401, "message_signature.expired")
BODY = b'{"amount": 5}'


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
    "a signed header that is taken out on the way": added("Connection", "close, Content-Digest"),
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
