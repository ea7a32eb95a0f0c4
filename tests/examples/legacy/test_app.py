"""The example is an ordinary application with ordinary faults; they are what Seawall is shown with."""

from __future__ import annotations

import io
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

SOURCE = Path(__file__).parents[3] / "examples" / "legacy" / "app.py"


@pytest.fixture
def module() -> dict[str, Any]:
    return runpy.run_path(str(SOURCE))


def ask(module: dict[str, Any], method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, str], str]:
    path, _, query = path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    setup_testing_defaults(environ)
    answered: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> Callable[[bytes], None]:
        answered.append((status, headers))
        return lambda _: None

    chunks = validator(module["app"])(environ, start_response)
    content = b"".join(chunks).decode()
    chunks.close()  # type: ignore[attr-defined]
    ((status, headers),) = answered
    return int(status[:3]), dict(headers), content


def test_the_page_shows_the_tickets_and_escapes_them(module: dict[str, Any]) -> None:
    status, _, page = ask(module, "POST", "/", b"title=%3Cscript%3E")

    assert 200 == status
    assert "<li>3: &lt;script&gt;</li>" in page


def test_the_api_adds_a_ticket_and_lists_it(module: dict[str, Any]) -> None:
    created, _, _ = ask(module, "POST", "/api/tickets", b'{"title": "No coffee"}')
    _, _, listed = ask(module, "GET", "/api/tickets")

    assert (201, "No coffee") == (created, json.loads(listed)[-1]["title"])


def test_it_takes_an_upload_of_any_size(module: dict[str, Any]) -> None:
    assert (200, "3000000 bytes received\n") == ask(module, "POST", "/upload", bytes(3_000_000))[::2]


def test_its_report_is_as_slow_as_one_asks(module: dict[str, Any]) -> None:
    assert (200, "2 tickets\n") == ask(module, "GET", "/report?seconds=0")[::2]


def test_its_admin_page_believes_whatever_it_is_told(module: dict[str, Any]) -> None:
    assert 200 == ask(module, "GET", "/admin")[0]


def test_it_tells_its_version_and_shows_its_traceback(module: dict[str, Any]) -> None:
    status, headers, page = ask(module, "GET", "/crash")

    assert (500, "HelpDesk 2.3 (Python)") == (status, headers["X-Powered-By"])
    assert "Traceback (most recent call last)" in page
    assert "db-3.internal" in page


def test_a_path_that_it_does_not_know_is_not_found(module: dict[str, Any]) -> None:
    assert 404 == ask(module, "GET", "/nothing")[0]
