"""The closed language of keys: what can be asked, when it is known, and how it reads."""

from __future__ import annotations

import re

import pytest

from proxy.config.keys import Key, in_words, problems, unknown_parameters


@pytest.mark.parametrize(
    ("text", "fact", "name"),
    [
        ("client.ip", "client.ip", ""),
        ("client.net", "client.net", ""),
        ("auth.id", "auth.id", ""),
        ("route.name", "route.name", ""),
        ("path.id", "path", "id"),
        ("query:a.b[]", "query", "a.b[]"),
        ("header:X-API-Key", "header", "X-API-Key"),
        ("cookie:__Host-a.b", "cookie", "__Host-a.b"),
        ("body:/a/b:c", "body", "/a/b:c"),
        ("body:", "body", ""),
        ("body.sha256", "body.sha256", ""),
        ("signature", "signature", ""),
        ("constant", "constant", ""),
    ],
)
def test_a_key_is_a_fact_and_for_some_a_name(text: str, fact: str, name: str) -> None:
    key = Key.parse(text)

    assert (text, fact, name) == (key, key.fact, key.name)
    assert re.fullmatch(Key.pattern, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "client",
        "client.port",
        "path.",
        "path.a-b",
        "header:",
        "header:X Y",
        "header:X\n",
        "query:",
        "cookie:",
        "cookie:a;b",
        "cookie:a=b",
        "body:id",
        "body/id",
        "constant ",
        "{{ client.ip }}",
        7,
        None,
    ],
)
def test_anything_else_is_no_key(text: object) -> None:
    with pytest.raises(ValueError, match="is no key"):
        Key.parse(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [("client.ipp", "client.ip"), ("auth.sub", "auth.id"), ("route.nam", "route.name")],
)
def test_what_is_nearly_a_key_gets_a_hint(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=rf"did you mean {hint}\?$"):
        Key.parse(text)


@pytest.mark.parametrize(
    ("key", "missing"),
    [
        ("client.ip", False),
        ("path.id", False),
        ("constant", False),
        ("query:a", True),
        ("header:A", True),
        ("body:/a", True),
    ],
)
def test_what_a_client_may_leave_out_is_known(key: str, missing: bool) -> None:
    assert missing == Key(key).may_be_missing


@pytest.mark.parametrize("phase", ["edge", "admission", "identity"])
@pytest.mark.parametrize("key", ["auth.id", "signature", "body:/id", "body.sha256"])
def test_a_fact_of_later_cannot_be_asked_for_early(phase: str, key: str) -> None:
    found = list(problems([Key("client.ip"), Key(key)], phase, instead="quota"))

    expected = (
        f"{key} is not known yet in the phase {phase}; expected a key of the request's head, "
        "such as client.ip, or the policy quota, which runs later"
    )
    assert [("key[1]", expected)] == found


@pytest.mark.parametrize(
    ("phase", "keys"),
    [
        ("admission", ["client.ip", "client.net", "route.name", "path.a", "query:a", "header:A", "constant"]),
        ("checks", ["auth.id", "signature", "body:/id", "body.sha256", "client.ip"]),
        ("answers", ["auth.id", "body:/id"]),
    ],
)
def test_a_fact_that_is_known_can_be_asked_for(phase: str, keys: list[str]) -> None:
    assert [] == list(problems([Key(key) for key in keys], phase))


def test_the_same_fact_twice_is_a_mistake() -> None:
    keys = [Key("client.ip"), Key("constant"), Key("client.ip")]

    assert [("key[2]", "client.ip stands twice; expected each key once")] == list(problems(keys, "checks"))


class Config:
    key = (Key("client.ip"), Key("path.id"), Key("path.org"))


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param(["id", "org"], [], id="all are there"),
        pytest.param(["id"], [("key[2]", "path.org", "path.id")], id="one is not"),
        pytest.param(
            [],
            [
                ("key[1]", "path.id", "a path with {id} in it"),
                ("key[2]", "path.org", "a path with {org} in it"),
            ],
            id="the path has none",
        ),
    ],
)
def test_a_parameter_that_a_path_does_not_have_is_found(
    parameters: list[str], expected: list[tuple[str, str, str]]
) -> None:
    assert expected == list(unknown_parameters(Config(), parameters))


def test_a_policy_without_keys_asks_for_nothing_of_the_path() -> None:
    assert [] == list(unknown_parameters(object(), []))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["client.ip"], "for each client"),
        (["client.net", "route.name"], "for each client network and route"),
        (["auth.id"], "for each caller"),
        (["path.id", "query:q"], "for each id in the path and value of the query parameter q"),
        (["header:X-A", "body:/a"], "for each value of the header X-A and value at /a in the body"),
        (["body:"], "for each value at the root in the body"),
        (["body.sha256", "signature"], "for each body and signature"),
        (["constant"], "for all together"),
        (["constant", "client.ip"], "for each client"),
    ],
)  # fmt: skip
def test_keys_read_as_words(keys: list[str], words: str) -> None:
    assert words == in_words([Key(key) for key in keys])
