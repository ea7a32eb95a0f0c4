"""Who may use the admin port, and for what.

- Host must name this port: a loopback name or address, the address that was connected to,
  or a configured name. Else any web site could point its own name here (DNS rebinding) and
  have a browser read what it likes.
- What changes something is refused where a browser says that another site asks for it, and
  needs the token where one is set. A site that is listed (`--admin-origin`) may ask with the
  token; where none is set it may only read.
- Another peer than a loopback one needs the token for everything but liveness, readiness
  and metrics, which the status port tells anybody, and the question whether a listed site
  may call (a CORS preflight), which browsers ask without it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from proxy.errors import Rejection

_SHORTEST_TOKEN = 16
_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]]+))(?::(\d{1,5}))?")
_ORIGIN = re.compile(r"(https?)://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::([1-9]\d{0,4}))?", re.IGNORECASE)
_USUAL_PORTS = {"http": "80", "https": "443"}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_OPEN = frozenset({"/livez", "/readyz", "/metrics"})
METHOD_ANNOUNCED = "Access-Control-Request-Method"
"""The field that makes an OPTIONS a CORS preflight."""
_CHALLENGE = (("WWW-Authenticate", 'Bearer realm="seawall admin"'),)


def check_admin_address(host: str, token: str | None) -> None:
    """Raises ValueError where others than this machine could come in without a token."""
    if token is None and host != "localhost" and not _is_loopback(host):
        raise ValueError(
            f"the admin port on {host or 'every address'} needs --admin-token-file, "
            "since others than this machine can reach it; or listen on 127.0.0.1"
        )


def read_token(path: Path) -> str:
    """The bearer token in `path`, without white space around it. Raises ValueError."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not ASCII"
        raise ValueError(f"cannot read the admin token from {path}: {why}") from None
    if len(token) < _SHORTEST_TOKEN or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ValueError(f"the admin token in {path} must be {_SHORTEST_TOKEN} visible characters or more")
    return token


def parse_origin(text: str) -> str:
    """`text` as a browser writes it in Origin (RFC 6454, section 6.2). Raises ValueError."""
    found = _ORIGIN.fullmatch(text)
    if found is None or int(found[3] or 1) > 65535:
        raise ValueError(f"{text!r} is no origin; expected one such as https://ops.example, without a path")
    scheme, host, port = found[1].lower(), found[2].lower(), found[3]
    return f"{scheme}://{host}" if port in (None, _USUAL_PORTS[scheme]) else f"{scheme}://{host}:{port}"


@dataclass(frozen=True, slots=True)
class Caller:
    """What a request to the admin port says of where it comes from."""

    method: str
    path: str
    peer: str
    """Address of the other end of the connection."""
    local: tuple[str, int]
    """Address and port of this end."""
    hosts: Sequence[str]
    """Every Host field."""
    authorization: str = ""
    origin: str | None = None
    fetch_site: str | None = None
    """Sec-Fetch-Site, with which a browser says whose page asks."""
    announced: str | None = None
    """The method that a preflight is about."""

    @property
    def changes(self) -> bool:
        """The method is one that may change something (RFC 9110, section 9.2.1)."""
        return self.method not in _SAFE


class Gate:
    """Decides who gets in.

    `names` are further values of Host: `name`, or `name:port`. `origins` are the sites whose
    pages may call, as browsers write them.
    """

    def __init__(self, token: str | None, names: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        self._token = None if token is None else token.encode("ascii")
        self._names = frozenset(name.lower() for name in names)
        self._origins = frozenset(origins)

    @property
    def has_token(self) -> bool:
        """Whoever changed something has shown it."""
        return self._token is not None

    def admit(self, caller: Caller) -> None:
        """Raises Rejection for a caller who may not do this."""
        self._check_host(caller)
        if self._is_preflight(caller):
            return
        changes = caller.changes
        if changes:
            self._check_site(caller)
        if changes or (caller.path not in _OPEN and not _is_loopback(caller.peer)):
            self._check_token(caller)

    def _check_host(self, caller: Caller) -> None:
        if len(caller.hosts) != 1 or not self._is_ours(caller.hosts[0].lower(), *caller.local):
            raise Rejection(421, "admin.host", "Host does not name this port.")

    def _is_ours(self, host: str, address: str, port: int) -> bool:
        found = _AUTHORITY.fullmatch(host)
        if found is None:
            return False
        name = found[1] or found[2]
        if host in self._names or name in self._names:
            return True
        if int(found[3] or 80) != port:
            return False
        return name == "localhost" or _is_loopback(name) or _parsed(name) == _parsed(address) is not None

    def _check_site(self, caller: Caller) -> None:
        if caller.origin in self._origins:
            if self._token is None:
                raise Rejection(
                    403, "admin.origin", "Another site may change things with a token only, and none is set."
                )
            return
        same = caller.origin is None or caller.origin.lower().partition("://")[2] == caller.hosts[0].lower()
        if not same or caller.fetch_site not in (None, "same-origin", "none"):
            raise Rejection(403, "admin.origin", "Another site may not change anything here.")

    def _is_preflight(self, caller: Caller) -> bool:
        """Of a listed site. The answer to it tells no more than that the site is listed."""
        return caller.method == "OPTIONS" and caller.announced is not None and caller.origin in self._origins

    def _check_token(self, caller: Caller) -> None:
        if self._token is None:
            if not _is_loopback(caller.peer):
                raise Rejection(403, "admin.peer", "Without a token this is for the machine itself only.")
            return
        scheme, _, given = caller.authorization.partition(" ")
        # Compared in constant time, so that the token cannot be guessed byte by byte.
        right = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), self._token)
        if scheme.lower() != "bearer" or not right:
            raise Rejection(401, "admin.token", "This needs the admin token.", headers=_CHALLENGE)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed


def _is_loopback(address: str) -> bool:
    parsed = _parsed(address)
    return parsed is not None and parsed.is_loopback
