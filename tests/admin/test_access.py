"""Who may use the admin port."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.admin.access import Caller, Gate, check_admin_address, parse_origin, read_token
from proxy.errors import Rejection

TOKEN = "correct-horse-battery"
HERE = Caller("GET", "/api/routes", "127.0.0.1", ("127.0.0.1", 9901), ["127.0.0.1:9901"])
RELOAD = replace(HERE, method="POST", path="/api/reload")
ELSEWHERE = replace(HERE, peer="10.0.0.5", local=("10.0.0.2", 9901), hosts=["10.0.0.2:9901"])
WITH_TOKEN = f"Bearer {TOKEN}"


def verdict(
    caller: Caller, token: str | None = None, names: tuple[str, ...] = (), origins: tuple[str, ...] = ()
) -> tuple[int, str] | None:
    try:
        Gate(token, names, origins).admit(caller)
    except Rejection as rejection:
        return rejection.status, rejection.reason
    return None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    check_admin_address(host, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.2", "admin.example", "localhost.example"])
def test_any_other_address_needs_a_token(host: str) -> None:
    check_admin_address(host, TOKEN)

    with pytest.raises(ValueError, match="needs --admin-token-file"):
        check_admin_address(host, None)


class TestToken:
    def test_it_is_the_file_without_white_space_around(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text(f"  {TOKEN}\r\n")

        assert TOKEN == read_token(tmp_path / "token")

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            pytest.param(b"", "16 visible characters or more", id="empty"),
            pytest.param(b"short\n", "16 visible characters or more", id="too short"),
            pytest.param(
                b"correct horse battery staple", "16 visible characters or more", id="spaces within"
            ),
            pytest.param("corréct-horse-battery".encode(), "not ASCII", id="not ASCII"),
            pytest.param(None, "No such file or directory", id="no file"),
        ],
    )
    def test_a_file_that_holds_none_is_refused(
        self, tmp_path: Path, content: bytes | None, words: str
    ) -> None:
        if content is not None:
            (tmp_path / "token").write_bytes(content)

        with pytest.raises(ValueError, match=words):
            read_token(tmp_path / "token")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:9901",
        "127.0.0.2:9901",
        "localhost:9901",
        "LOCALHOST:9901",
        "[::1]:9901",
        "[::ffff:127.0.0.1]:9901",
        "seawall.internal",
        "seawall.internal:443",
        "Forwarded.Example:8080",
    ],
)
def test_a_host_that_names_this_port_is_welcome(host: str) -> None:
    assert None is verdict(replace(HERE, hosts=[host]), names=("seawall.internal", "forwarded.example:8080"))


@pytest.mark.parametrize(
    "hosts",
    [
        pytest.param(["evil.example:9901"], id="a name that was pointed here"),
        pytest.param(["localhost.evil.example:9901"], id="a name that begins alike"),
        pytest.param(["10.0.0.2:9901"], id="an address that is another's"),
        pytest.param(["127.0.0.1"], id="without the port"),
        pytest.param(["127.0.0.1:80"], id="another port"),
        pytest.param(["forwarded.example:9901"], id="a configured name with another port than configured"),
        pytest.param(["127.0.0.1:9901", "127.0.0.1:9901"], id="twice"),
        pytest.param([], id="not at all"),
        pytest.param([""], id="empty"),
        pytest.param(["user@127.0.0.1:9901"], id="with a user"),
        pytest.param(["127.0.0.1:9901:9901"], id="with two ports"),
        pytest.param(["[127.0.0.1:9901"], id="with half a bracket"),
        pytest.param(["::1:9901"], id="IPv6 without brackets"),
    ],
)
def test_any_other_host_is_misdirected(hosts: list[str]) -> None:
    assert (421, "admin.host") == verdict(replace(HERE, hosts=hosts), names=("forwarded.example:8080",))


def test_port_80_may_be_left_out_as_clients_do() -> None:
    assert None is verdict(replace(HERE, local=("127.0.0.1", 80), hosts=["localhost"]))


def test_the_address_that_was_connected_to_is_a_host() -> None:
    assert None is verdict(replace(ELSEWHERE, authorization=WITH_TOKEN), TOKEN)


def test_no_address_known_is_no_address_matched() -> None:
    assert (421, "admin.host") == verdict(replace(HERE, local=("", 9901), hosts=["nonsense:9901"]))


@pytest.mark.parametrize(
    ("caller", "token", "expected"),
    [
        pytest.param(HERE, None, None, id="reading here needs no token"),
        pytest.param(HERE, TOKEN, None, id="reading here needs no token even where there is one"),
        pytest.param(RELOAD, None, None, id="changing here needs none where there is none"),
        pytest.param(RELOAD, TOKEN, (401, "admin.token"), id="changing needs the token where there is one"),
        pytest.param(replace(RELOAD, authorization=WITH_TOKEN), TOKEN, None, id="changing with the token"),
        pytest.param(
            replace(RELOAD, authorization=f"bearer   {TOKEN}"), TOKEN, None, id="the scheme in lower case"
        ),
        pytest.param(
            replace(RELOAD, authorization=f"Basic {TOKEN}"), TOKEN, (401, "admin.token"), id="another scheme"
        ),
        pytest.param(
            replace(RELOAD, authorization=f"{WITH_TOKEN}x"), TOKEN, (401, "admin.token"), id="a wrong token"
        ),
        pytest.param(
            replace(RELOAD, authorization="Bearer \udcff"),
            TOKEN,
            (401, "admin.token"),
            id="an undecodable one",
        ),
        pytest.param(ELSEWHERE, TOKEN, (401, "admin.token"), id="reading elsewhere needs the token"),
        pytest.param(replace(ELSEWHERE, path="/readyz"), TOKEN, None, id="probes need none"),
        pytest.param(replace(ELSEWHERE, path="/metrics"), TOKEN, None, id="nor does Prometheus"),
        pytest.param(
            replace(ELSEWHERE, path="/readyz", method="POST"), TOKEN, (401, "admin.token"), id="changing does"
        ),
        pytest.param(ELSEWHERE, None, (403, "admin.peer"), id="elsewhere there is no way without a token"),
        pytest.param(
            replace(HERE, peer=""), None, (403, "admin.peer"), id="nor for a peer without an address"
        ),
        pytest.param(replace(HERE, peer="::ffff:127.0.0.1"), None, None, id="an IPv4 peer on an IPv6 socket"),
    ],
)
def test_who_may_do_what(caller: Caller, token: str | None, expected: tuple[int, str] | None) -> None:
    assert expected == verdict(caller, token)


def test_a_token_is_asked_for_as_the_standard_says() -> None:
    with pytest.raises(Rejection) as raised:
        Gate(TOKEN).admit(RELOAD)

    assert [("WWW-Authenticate", 'Bearer realm="seawall admin"')] == list(raised.value.headers)


@pytest.mark.parametrize(
    ("origin", "fetch_site", "expected"),
    [
        pytest.param(None, None, None, id="no browser"),
        pytest.param("http://127.0.0.1:9901", "same-origin", None, id="our own page"),
        pytest.param(None, "none", None, id="typed by the user"),
        pytest.param("http://evil.example", None, (403, "admin.origin"), id="another site"),
        pytest.param("http://127.0.0.1:3000", None, (403, "admin.origin"), id="another port of this machine"),
        pytest.param("null", None, (403, "admin.origin"), id="a site that hides"),
        pytest.param(None, "cross-site", (403, "admin.origin"), id="another site, by fetch metadata"),
        pytest.param(None, "same-site", (403, "admin.origin"), id="another port, by fetch metadata"),
    ],
)
def test_another_site_changes_nothing_even_with_the_token(
    origin: str | None, fetch_site: str | None, expected: tuple[int, str] | None
) -> None:
    caller = replace(RELOAD, origin=origin, fetch_site=fetch_site, authorization=WITH_TOKEN)

    assert (expected, None) == (verdict(caller, TOKEN), verdict(replace(caller, method="GET"), TOKEN))


OPS = "https://ops.example"
BY_OPS = replace(RELOAD, origin=OPS, fetch_site="cross-site")
ASKS = replace(BY_OPS, method="OPTIONS", announced="POST")
REMOTE = replace(ASKS, peer="10.0.0.5", local=("10.0.0.2", 9901), hosts=["10.0.0.2:9901"])


@pytest.mark.parametrize(
    ("caller", "token", "expected"),
    [
        pytest.param(replace(BY_OPS, authorization=WITH_TOKEN), TOKEN, None, id="changing with the token"),
        pytest.param(BY_OPS, TOKEN, (401, "admin.token"), id="changing without it"),
        pytest.param(BY_OPS, None, (403, "admin.origin"), id="changing where none is set"),
        pytest.param(replace(BY_OPS, method="GET"), None, None, id="reading"),
        pytest.param(ASKS, TOKEN, None, id="a preflight"),
        pytest.param(REMOTE, TOKEN, None, id="a preflight from elsewhere"),
        pytest.param(
            replace(REMOTE, announced=None), TOKEN, (401, "admin.token"), id="an OPTIONS that is no preflight"
        ),
        pytest.param(
            replace(REMOTE, origin="https://evil.example"), TOKEN, (401, "admin.token"), id="of another site"
        ),
        pytest.param(
            replace(REMOTE, hosts=["evil.example"]), TOKEN, (421, "admin.host"), id="for another name"
        ),
    ],
)
def test_what_a_listed_site_may_do(
    caller: Caller, token: str | None, expected: tuple[int, str] | None
) -> None:
    assert expected == verdict(caller, token, origins=(OPS,))


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://ops.example", "https://ops.example"),
        ("HTTPS://Ops.Example", "https://ops.example"),
        ("https://ops.example:443", "https://ops.example"),
        ("http://ops.example:443", "http://ops.example:443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_an_origin_is_written_as_browsers_do(text: str, origin: str) -> None:
    assert origin == parse_origin(text)


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "null",
        "",
        "ops.example",
        "https://ops.example/",
        "https://ops.example/path",
        "https://u:p@ops.example",
        "https://*.example",
        "https://ops.example:0",
        "https://ops.example:65536",
        "file://x",
        "https://öps.example",
        "https://ops.example\n",
    ],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        parse_origin(text)
