"""What the commands that look into a running Seawall make of its admin port, and of what is none."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import click
import pytest

from proxy.cli.admin_client import AdminError, admin_option, ask


class Port:
    """Answers every request with the same, and keeps what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b'{"a": 1}'
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        port = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                port.asked.append((self.command, self.path, self.headers["Authorization"]))
                self.send_response(port.status)
                for name, value in port.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(port.body)

            do_GET = do_POST = answer  # noqa: N815  # the names are the library's

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def port() -> Iterator[Port]:
    port = Port()
    thread = Thread(target=port.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield port
    port.server.shutdown()
    port.server.server_close()
    thread.join()


def test_what_is_answered_is_read_as_json(port: Port) -> None:
    answer = ask(port.url, "/api/routes")

    assert ({"a": 1}, [("GET", "/api/routes", None)]) == (answer, port.asked)


def test_the_token_is_sent_from_its_file(port: Port, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("correct-horse-battery\n")

    ask(port.url, "/api/reload", tmp_path / "token", method="POST")

    assert [("POST", "/api/reload", "Bearer correct-horse-battery")] == port.asked


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        pytest.param(
            404,
            b'{"reason": "admin.decision", "detail": "No such decision."}',
            "answered 404: admin.decision: No such decision.",
            id="a refusal in its own words",
        ),
        pytest.param(500, b"oops", "answered 500: Internal Server Error", id="a failure of something else"),
        pytest.param(200, b"<html>", "did not answer with JSON; is it the admin port?", id="a web page"),
    ],
)
def test_an_answer_that_is_none_is_told(port: Port, status: int, body: bytes, said: str) -> None:
    port.status, port.body = status, body

    with pytest.raises(AdminError) as error:
        ask(port.url, "/api/decisions/d-1")

    assert f"{port.url} {said}" == error.value.message


def test_a_redirect_is_not_followed_with_the_token(port: Port, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("correct-horse-battery")
    port.status, port.headers = 302, {"Location": f"{port.url}/elsewhere"}

    with pytest.raises(AdminError, match="answered 302"):
        ask(port.url, "/api/routes", tmp_path / "token")

    assert ["/api/routes"] == [path for _, path, _ in port.asked]


def test_a_proxy_that_the_environment_names_is_not_used(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert {"a": 1} == ask(port.url, "/api/routes")


def test_nobody_there_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

    with pytest.raises(AdminError) as error:
        ask(url, "/api/routes")

    assert f"can't reach {url}: connection refused; is Seawall running?" == error.value.message


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(None, "No such file or directory", id="no file"),
        pytest.param("café".encode(), "not ASCII", id="other letters"),
        pytest.param(b"two words", "expected visible characters", id="something else"),
    ],
)
def test_a_token_that_is_none_is_not_sent(
    port: Port, tmp_path: Path, content: bytes | None, why: str
) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)

    with pytest.raises(AdminError, match=why):
        ask(port.url, "/api/routes", tmp_path / "token")

    assert [] == port.asked


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("127.0.0.1:9901", "http://127.0.0.1:9901"),
        ("0.0.0.0:9901", "http://127.0.0.1:9901"),
        ("[::]:9901", "http://[::1]:9901"),
        (":9901", "http://127.0.0.1:9901"),
        ("https://seawall.test/", "https://seawall.test"),
    ],
)
def test_the_address_that_run_listens_on_is_one_to_ask(given: str, url: str) -> None:
    assert url == the_option(given)


@pytest.mark.parametrize("given", ["ftp://a", "http://a/b", "http://user:pw@a", "file:///etc/passwd"])
def test_what_is_no_address_of_a_port_is_wrong_usage(given: str) -> None:
    with pytest.raises(click.BadParameter, match="is no address"):
        the_option(given)


def the_option(value: str) -> str:
    @click.command()
    @admin_option
    def command(admin: str) -> str:
        return admin

    result: str = command.main(["--admin", value], standalone_mode=False)
    return result
