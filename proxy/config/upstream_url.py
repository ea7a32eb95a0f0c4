"""Where an upstream is: `http://host:port`, `https://host`, or `unix:/path` for HTTP over a socket."""

from __future__ import annotations

import re
from typing import ClassVar, Self
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NOT_IN_URLS = re.compile(r"[\s\x00-\x1f\x7f]")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")


class UpstreamUrl(str):
    """A url without a path, since paths are passed on as they come."""

    __slots__ = ()
    pattern: ClassVar[str] = r"^(https?://[^/?#@\s]+/?|unix:/.+)$"
    example: ClassVar[str] = "http://127.0.0.1:3000"

    @property
    def scheme(self) -> str:
        """`http`, `https` or `unix`."""
        return self.partition(":")[0]

    @property
    def host(self) -> str:
        """Lower case, an IPv6 address without brackets; empty for a socket."""
        return "" if self.scheme == "unix" else urlsplit(self).hostname or ""

    @property
    def port(self) -> int:
        """As given, else the scheme's; 0 for a socket."""
        return 0 if self.scheme == "unix" else urlsplit(self).port or _DEFAULT_PORTS[self.scheme]

    @property
    def socket(self) -> str:
        """The path of a unix socket; empty for others."""
        return self.removeprefix("unix:") if self.scheme == "unix" else ""

    @classmethod
    def parse(cls, value: object) -> Self:
        expected = "expected one such as http://127.0.0.1:3000, https://api.example.com or unix:/run/app.sock"
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is no url; {expected}")  # noqa: TRY004
        if value.startswith("unix:"):
            if not value.startswith("unix:/") or "\0" in value:
                raise ValueError(
                    f"{value!r} is no url; expected an absolute path, such as unix:/run/app.sock"
                )
            return cls(value)
        if "@" in value:
            # Not quoted: it may hold a password.
            raise ValueError(
                "the url has credentials in it; expected a url without, since every log would show them"
            )
        return cls._checked(value, expected)

    @classmethod
    def _checked(cls, value: str, expected: str) -> Self:
        if _NOT_IN_URLS.search(value):  # urlsplit would drop some of these without a word
            raise ValueError(f"{value!r} has a space or a control character; {expected}")
        try:
            parts = urlsplit(value)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"{value!r} is no url: {error}; {expected}") from None
        if parts.scheme not in _DEFAULT_PORTS or not host or not _HOST.fullmatch(host) or port == 0:
            raise ValueError(f"{value!r} is no url of an upstream; {expected}")
        if parts.path not in ("", "/") or "?" in value or "#" in value:
            raise ValueError(
                f"{value!r} has a path or a query; expected neither, since those of a request are passed on"
            )
        return cls(value.rstrip("/"))
