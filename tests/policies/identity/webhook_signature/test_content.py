"""What of a request is signed, and what is not."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.algorithms.signed_template import Template
from proxy.policies.identity.webhook_signature.content import (
    Message,
    NotAsAgreed,
    body_hash,
    field_of,
    is_hashed,
    signed_content,
)
from tests.policies.identity.senders import FORM


def a_message(body: bytes = b"", target: str = "/hook", **headers: str) -> Message:
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return Message("POST", target, lambda name: [named[name.lower()]] if name.lower() in named else [], body)


def signed(template: str, message: Message) -> bytes:
    return b"".join(signed_content(Template.parse(template), message, "1700000000", "https://h.example"))


@pytest.mark.parametrize(
    ("template", "content"),
    [
        pytest.param("{body}", b"\xffx", id="the bytes of the body"),
        pytest.param("{timestamp}.{body}", b"1700000000.\xffx", id="the time"),
        pytest.param("{method} {url}", b"POST https://h.example/hook?a=%20\xff", id="the URL as it came"),
        pytest.param("{header:x-ID}", "ä".encode(), id="a header"),
        pytest.param("{form}", b"", id="no form"),
    ],
)
def test_what_is_signed(template: str, content: bytes) -> None:
    assert content == signed(template, a_message(b"\xffx", "/hook?a=%20\udcff", X_Id="ä"))


def test_a_header_that_is_signed_must_be_there() -> None:
    with pytest.raises(NotAsAgreed, match="X-Id stands there 0 times"):
        signed("{header:X-Id}", a_message())


@pytest.mark.parametrize(
    ("body", "content"),
    [
        pytest.param(b"", b"", id="empty"),
        pytest.param(b"b=2&a=1", b"a1b2", id="sorted by name"),
        pytest.param(b"a=2&a=1&a=2", b"a1a2", id="values sorted, and each once"),
        pytest.param(b"a=&b", b"ab", id="empty values"),
        pytest.param(b"a=x+y%2B%C3%A4", b"ax y+\xc3\xa4", id="decoded"),
        pytest.param(b"a=%FF%ff&b=%zz", b"a\xff\xffb%zz", id="bytes that are no text, and no escape"),
        pytest.param(b"a=1=2&&", b"a1=2", id="a second equals sign, and empty pairs"),
        pytest.param(b"a=1;b=2", b"a1;b=2", id="a semicolon, which separates nothing"),
    ],
)
@pytest.mark.parametrize("type_", [FORM, "Application/X-WWW-Form-Urlencoded ; charset=utf-8"])
def test_the_fields_of_a_form(type_: str, body: bytes, content: bytes) -> None:
    assert content == signed("{form}", a_message(body, Content_Type=type_))


HASH = hashlib.sha256(b"{}").hexdigest()
NOTHING = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("body", "target", "type_", "vouched"),
    [
        pytest.param(b"", "/", "", True, id="no body"),
        pytest.param(b"a=1", "/", FORM, True, id="a form, whose fields are signed"),
        pytest.param(b"{}", "/", "application/json", False, id="a body that nothing vouches for"),
        pytest.param(b"{}", "/", FORM + "x", False, id="a type that is nearly that of a form"),
        pytest.param(b"{}", f"/?bodySHA256={HASH}", "application/json", True, id="a body with its digest"),
        pytest.param(b"{}", f"/?a=1&bodySHA256={HASH.upper()}", "", True, id="in capitals, behind another"),
        pytest.param(b"[]", f"/?bodySHA256={HASH}", "application/json", False, id="another body"),
        pytest.param(b"", f"/?bodySHA256={HASH}", "application/json", False, id="a body that was taken away"),
        pytest.param(b"", f"/?bodySHA256={HASH}", FORM, False, id="taken away, and called a form"),
        pytest.param(b"", f"/?bodySHA256={NOTHING}", "", True, id="the digest of no body"),
        pytest.param(b"{}", f"/?bodySHA256={HASH}&bodySHA256={HASH}", "", False, id="two digests"),
        pytest.param(b"{}", "/?bodySHA256=", "", False, id="an empty digest"),
        pytest.param(b"{}", "/?bodySHA256=ä", "", False, id="a digest that is not ASCII"),
    ],
)
def test_a_body_that_is_no_form_needs_its_digest_in_the_url(
    body: bytes, target: str, type_: str, vouched: bool
) -> None:
    message = a_message(body, target, Content_Type=type_)

    assert vouched == is_hashed(message, hashlib.sha256(body).digest())


def test_two_types_are_no_form() -> None:
    assert not Message("POST", "/", lambda _: [FORM, FORM]).is_form()


def test_digests_in_a_url() -> None:
    assert [b"1", b""] == body_hash("/bodySHA256=0?bodySHA256=1&bodysha256=2&bodySHA256")


@pytest.mark.parametrize(
    ("body", "pointer", "value"),
    [
        pytest.param(b'{"a": 17, "b": [1]}', "/a", "17", id="a number"),
        pytest.param(b'{"a": "17"}', "/a", "17", id="text"),
        pytest.param(b'{"a": "\\u0031"}', "/a", "1", id="text with an escape"),
        pytest.param(b'{"a": {"b/c~": 1}}', "/a/b~1c~0", "1", id="within, with a slash and a tilde"),
        pytest.param(b'{"a": 1, "a": 2}', "/a", "2", id="twice"),
        pytest.param(b'{"a": null}', "/a", "null", id="null, which is no time"),
        pytest.param(b'{"a": 17}', "/b", None, id="another name"),
        pytest.param(b'{"a": 17}', "/a/b", None, id="within a number"),
        pytest.param(b"[17]", "/0", None, id="within a list"),
        pytest.param(b"", "/a", None, id="nothing"),
        pytest.param(b'{"a": "\xff"}', "/a", None, id="text that is none"),
        pytest.param(b'{"b": ' + b"[" * 50_000, "/a", None, id="very deep"),
        pytest.param(
            b'{"b": ' + b"[" * 50_000 + b"]" * 50_000 + b', "a": 1}', "/a", None, id="deep and whole"
        ),
    ],
)
def test_a_field_of_a_body(body: bytes, pointer: str, value: str | None) -> None:
    assert value == field_of(body, pointer)


@given(body=st.binary(max_size=60))
@settings(max_examples=100)
def test_whatever_a_body_is_nothing_is_raised(body: bytes) -> None:
    field_of(body, "/a")
    assert isinstance(signed("{form}", a_message(body, Content_Type=FORM)), bytes)
