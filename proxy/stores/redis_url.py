"""`redis://user:password@host:6379/0?namespace=shop`, as `--store` takes it.

`rediss://` is with TLS, by the system's authorities or those of `?ca_file=`; `redis+cluster://` and
`rediss+cluster://` name one node of a cluster. A user and a password are percent-encoded, and
nothing prints the password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEMES = ("redis", "rediss", "redis+cluster", "rediss+cluster")
_CONNECTIONS = "10"
"""A verb takes the event loop 0.2 ms: more would only wait for it."""
_OPTIONS = ("ca_file", "namespace", "connections")


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """Where it is, and as whom."""

    host: str
    port: int
    database: int
    tls: bool
    cluster: bool
    user: str | None
    password: str | None = field(repr=False)
    ca_file: str | None
    namespace: str
    connections: int

    @classmethod
    def parse(cls, url: str) -> RedisUrl:
        """Raises ValueError, without what could be a secret."""
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            raise ValueError(f"expected one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}")
        try:
            port = parts.port or 6379
        except ValueError:
            raise ValueError("the port is none; expected 1 to 65535") from None
        if not parts.hostname or parts.fragment:
            expected = "such as redis://cache:6379/0, with # and / in a password percent-encoded"
            raise ValueError(f"no host is named; expected one, {expected}")
        cluster, database = parts.scheme.endswith("cluster"), parts.path.strip("/")
        if not re.fullmatch(r"\d{0,5}", database, re.ASCII) or (cluster and database):
            raise ValueError("the path is no database; expected a number, and none for a cluster")
        options = _options(parts.query)
        return cls(
            host=parts.hostname,
            port=port,
            database=int(database or 0),
            tls=parts.scheme.startswith("rediss"),
            cluster=cluster,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            ca_file=options.get("ca_file"),
            namespace=_namespace(options.get("namespace", "")),
            connections=_connections(options.get("connections", _CONNECTIONS)),
        )

    def __str__(self) -> str:
        """For logs and operators."""
        who = f"{self.user or ''}:***@" if self.password else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = ("rediss" if self.tls else "redis") + ("+cluster" if self.cluster else "")
        path = "" if self.cluster else f"/{self.database}"
        return f"{scheme}://{who}{host}:{self.port}{path}"


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _OPTIONS or name in options:
            raise ValueError(f"{name[:20]!r} is no option, or stands twice; expected {', '.join(_OPTIONS)}")
        options[name] = value
    return options


def _namespace(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{0,64}", text):
        raise ValueError("the namespace is none; expected letters, digits, and any of _ . -")
    return text


def _connections(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,3}", text, re.ASCII):
        raise ValueError("`connections` is no number of connections; expected 1 to 9999")
    return int(text)
