"""Asks the admin port of a running Seawall, for commands that look into it."""

from __future__ import annotations

import json
import re
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import click

_SECONDS = 10.0
_MOST = 64 * 2**20
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}  # noqa: S104  # the other way round


class AdminError(click.ClickException):
    """The admin port can't be asked, or has no answer; says so in words for the operator. Exit code 1."""


def _base_url(_: click.Context, __: click.Parameter, value: str) -> str:
    """`--admin` as `run` takes it, or a whole url."""
    url = value if "://" in value else f"http://{value}"
    found = re.fullmatch(r"(https?)://([^/?#@]*?)(:\d{1,5})?/?", url)
    if found is None:
        raise click.BadParameter(f"{value!r} is no address; expected one such as http://127.0.0.1:9901")
    scheme, host, port = found.groups()
    return f"{scheme}://{_WILDCARDS.get(host, host)}{port or ''}"


admin_option = click.option(
    "--admin",
    envvar="SEAWALL_ADMIN",
    show_envvar=True,
    default="http://127.0.0.1:9901",
    show_default=True,
    callback=_base_url,
    metavar="URL",
    help="The admin port of a running Seawall.",
)

token_file_option = click.option(
    "--admin-token-file",
    "--token-file",
    "token_file",
    envvar="SEAWALL_ADMIN_TOKEN_FILE",
    show_envvar=True,
    type=click.Path(path_type=Path),
    help="A file with the bearer token of the admin port, where it wants one.",
)


def ask(base: str, path: str, token_file: Path | None = None, *, method: str = "GET") -> Any:
    """What the admin port at `base` answers, as JSON. Raises AdminError, for a refusal too.

    A 503 of /healthz is no refusal, but an answer: not ready.
    """
    headers = {"Accept": "application/json"}
    if token_file is not None:
        headers["Authorization"] = f"Bearer {_token(token_file)}"
    request = Request(base + path, method=method, headers=headers)  # noqa: S310  # http or https: checked
    try:
        with _OPENER.open(request, timeout=_SECONDS) as answer:
            return _read(base, answer)
    except HTTPError as error:
        with error:
            if error.code == 503 and error.headers.get_content_type() == "application/json":
                return _read(base, error)
            raise AdminError(f"{base} answered {error.code}: {_why(error)}") from None
    except URLError as error:
        raise AdminError(f"can't reach {base}: {_reason(error.reason)}; is Seawall running?") from None
    except (OSError, HTTPException) as error:
        raise AdminError(f"can't reach {base}: {_reason(error)}; is Seawall running?") from None


def _read(base: str, answer: IO[bytes]) -> Any:
    try:
        return json.loads(answer.read(_MOST))
    except (OSError, HTTPException) as error:
        raise AdminError(f"{base} stopped in the middle of its answer: {_reason(error)}") from None
    except ValueError:
        raise AdminError(f"{base} did not answer with JSON; is it the admin port?") from None


class _NoRedirects(HTTPRedirectHandler):
    """The token is for this port alone."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = build_opener(ProxyHandler({}), _NoRedirects)  # nor is it for a proxy that the environment names


def _token(path: Path) -> str:
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not ASCII"
        raise AdminError(f"cannot read the admin token from {path}: {why}") from None
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise AdminError(f"{path} holds no token: expected visible characters on one line")
    return token


def _why(error: HTTPError) -> str:
    """What a problem+json answer says."""
    try:
        said = json.loads(error.read(_MOST))
        return f"{said['reason']}: {said['detail']}"
    except (ValueError, KeyError, TypeError, OSError, HTTPException):
        return f"{error.reason}"


def _reason(error: object) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
