"""Admit callers that show a key, and know by it who they are.

```yaml
api_key:
  header: X-API-Key
  format: "^[0-9a-f]{64}$"
  keys:
    - id: acme
      sha256: f3d3dafe1fe28f0f2c3e40a2b4c1f1b9e6c37ef8b9c8a1b1d3d0e6f6f5c2a7d4
      expires: 2030-01-01T00:00:00Z
      attributes: {plan: gold}
```

A policy file never holds a key, only its SHA-256, which `printf %s "$KEY" | sha256sum` gives.
That is safe for keys that a machine made (32 random bytes); a password would be guessed from
its hash. Two entries may have the same `id`, so that a caller can change from one key to the next.

**Keys in a file.** `keys_file` names a YAML or JSON file with the same `keys`, for those that
something else writes. It is read when the policies are loaded; one with a mistake in it refuses
the load with its own line and column, and the keys from before stay. What a look-up costs does
not depend on how many keys there are.

**Header or query.** The key stands in one header, or in one parameter of the query, exactly
once: a request with two is refused, since the application might take the other one. The
parameter's name must read like a secret's (`api_key`, `token`), by which the logs know what to
mask; prefer a header, since URLs end up in browsers' histories and in other people's logs.
`hide_credentials` takes the key out of what the application gets. Spellings of the header with
underscores (`X_API_Key`), which a CGI or WSGI application can't tell from it, never get there.

**Who the caller is.** `id`, where no policy before has said it: for limits (`auth.id`), the access
log and decisions. `attributes` go with it, for `authenticate` to forward; one that it forwards and that
can't stand in a header (it has a line break, or nothing in it) is refused when the policies are loaded.

**What the client sees.** `401` with `WWW-Authenticate: ApiKey`. Which part of a key is wrong is in
the log and in the decision only. That a key has expired is said to those who have it.

**State.** None, and nothing that could fail.

**Hardened against.** Guessing by time (keys are compared by their digests, in constant time);
keys of any length (more than 1024 bytes are not looked at); a second key beside the first;
the empty key; keys in logs, errors and decisions.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from math import floor
from typing import Annotated, NamedTuple
from urllib.parse import quote, unquote_to_bytes

import msgspec
from msgspec import Meta

from proxy.algorithms.timestamps import write_timestamp
from proxy.config.schema import PolicyConfig
from proxy.config.units import HeaderName
from proxy.errors import Change, Rejection
from proxy.exchange import Exchange, Identity, Request
from proxy.headers import OfField
from proxy.policies.authenticator import settle
from proxy.policies.identity.api_key.keys import (
    Key,
    KeyFormat,
    KeysDocument,
    KeysFile,
    Sha256,
    callers,
    doubtful,
    identity_of,
    keys_in,
)
from proxy.policies.lookalikes import lookalikes, too_many_dashes
from proxy.policy import Services, Unsigned
from proxy.telemetry.redaction import MASK, masked_query

MISSING = (401, "api_key.missing", "This service wants an API key.")
INVALID = (401, "api_key.invalid", "This API key is not accepted.")
EXPIRED = (401, "api_key.expired", "This API key has expired.")

REASONS = (MISSING, INVALID, EXPIRED)

_LONGEST = 1024
_FEW = 8
_USUAL = HeaderName("X-API-Key")
_NOT_MASKED = (
    "a parameter of this name would be written to the log; expected a name that reads like a secret's,"
    " such as api_key or token"
)


class ApiKeyConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    header: Annotated[
        HeaderName | None,
        Meta(description="The header with the key; X-API-Key where `query` is absent, too."),
    ] = None
    query: Annotated[
        str | None,
        Meta(min_length=1, max_length=64, description="The parameter with the key, instead of a header."),
    ] = None
    format: Annotated[
        KeyFormat | None,
        Meta(description="What the whole key looks like; others are refused before anything is hashed."),
    ] = None
    keys: Annotated[tuple[Key, ...], Meta(description="Keys by their hashes.")] = ()
    keys_file: Annotated[
        KeysFile | None, Meta(description="A file with more `keys`, read while loading.")
    ] = None
    hide_credentials: Annotated[bool, Meta(description="Take the key out of what the application gets.")] = (
        False
    )

    def check(self) -> Iterator[tuple[str, str]]:
        """One place for the key, and at least one key."""
        if self.header is not None and self.query is not None:
            yield "query", "a key stands in one place; expected `header` or `query`"
        if self.header is not None and (wrong := too_many_dashes(self.header)):
            yield "header", wrong
        if self.query is not None and MASK not in masked_query(f"{quote(self.query)}=x"):
            yield "query", _NOT_MASKED
        if not self.keys and self.keys_file is None:
            yield "", "nobody has a key; expected `keys` or `keys_file`"
        yield from doubtful(self.keys)
        mine = {key.sha256 for key in self.keys}
        for key in keys_in(self.keys_file):
            if key.sha256 in mine:
                yield (
                    "keys_file",
                    f"the key of {key.id!r} in it stands under `keys` as well; expected it once",
                )

    def callers(self) -> Iterator[tuple[str, str, Identity]]:
        """As `keys.callers`."""
        return callers(self.keys, self.keys_file)

    def in_words(self) -> tuple[str, ...]:
        """How many keys there are, and when the first of them ends, or has ended."""
        keys = _all_keys(self)
        ends = min((key.expires for key in keys if key.expires is not None), default=None)
        until = "" if ends is None else f", and the first ends at {write_timestamp(ends, 'iso8601')}"
        return (f"{len(keys)} {'key is' if len(keys) == 1 else 'keys are'} known{until}",)


class _Known(NamedTuple):
    digest: bytes
    identity: Identity
    expires: float
    place: str
    """In the policy; empty for those of the file."""


class ApiKey:
    """See the module's docstring."""

    def __init__(self, config: ApiKeyConfig, services: Services) -> None:
        self._now = services.clock.now
        self._header = config.header or _USUAL
        self._query = config.query
        self._matches = None if config.format is None else re.compile(config.format.encode()).fullmatch
        mine = (_known(key, f"keys[{at}]") for at, key in enumerate(config.keys))
        self._known = {each.digest: each for each in (*mine, *map(_known, keys_in(config.keys_file)))}
        self._in_header = OfField(self._header, self._shown_by)
        self._lookalikes = lookalikes(self._header)
        self._hides = config.hide_credentials
        place = f'header="{self._header}"' if self._query is None else f'query="{quote(self._query)}"'
        where = f"header {self._header}" if self._query is None else f"parameter {self._query}"
        self._missing = (*MISSING[:2], f"This service wants an API key in the {where}.")
        self.challenge = [("WWW-Authenticate", f"ApiKey {place}")]

    def on_request(self, exchange: Exchange) -> None:
        settle(exchange, self.identify(exchange), self._missing, self.challenge)

    def identify(self, exchange: Exchange) -> Identity | None:
        request = exchange.request
        if self._query is None:
            request.headers.drop(self._lookalikes)
            known = request.headers.once(self._in_header)
        else:
            known = self._known_by(self._in_query(request.query, self._query))
        if known is None:
            return None
        if known.expires <= self._now():
            raise self._expired(known)
        if self._hides:
            self._hide(request)
        return known.identity

    def _hide(self, request: Request) -> None:
        if self._query is None:
            request.headers.remove(self._header)
            return
        request.query = _without(request.query, self._query)
        path = request.target.partition("?")[0]
        request.target = f"{path}?{request.query}" if request.query else path

    def _shown_by(self, values: list[str]) -> _Known | None:
        return self._known_by([value.encode("utf-8", "surrogateescape") for value in values])

    def _known_by(self, shown: list[bytes]) -> _Known | None:
        """None where no key is shown."""
        if not shown or shown == [b""]:
            return None
        if len(shown) > 1:
            raise self._invalid(f"{len(shown)} keys are shown")
        return self._find(shown[0])

    @staticmethod
    def _in_query(query: str, name: str) -> list[bytes]:
        wanted = name.encode()
        pairs = [pair.partition("=") for pair in query.split("&") if pair]
        return [_decoded(value) for key, _, value in pairs if _decoded(key) == wanted]

    def _find(self, key: bytes) -> _Known:
        if len(key) > _LONGEST:
            raise self._invalid(f"longer than {_LONGEST} bytes")
        if self._matches is not None and not self._matches(key):
            raise self._invalid("it is not in the format")
        digest = sha256(key).digest()
        known = self._known.get(digest)
        if known is None or not hmac.compare_digest(digest, known.digest):
            raise self._invalid("this key is not known")
        return known

    def _expired(self, known: _Known) -> Rejection:
        facts = {"id": known.identity.id, "expired": write_timestamp(known.expires, "iso8601")}
        later = write_timestamp(floor(self._now()) + 1, "iso8601")
        change = Change(f"{known.place}.expires", later) if known.place else None
        return Rejection(*EXPIRED, headers=self.challenge, facts=facts, change=change)

    def _invalid(self, cause: str) -> Rejection:
        return Rejection(*INVALID, headers=self.challenge, cause=cause)


def sign_with_key(config: ApiKeyConfig, unsigned: Unsigned, credentials: Mapping[str, str]) -> None:
    """Show the credential of the first caller in `keys` that has one; the rehearsal's `sign`."""
    ids = list(dict.fromkeys(key.id for key in _all_keys(config)))
    caller = next((each for each in ids if each in credentials), None)
    if caller is None:
        raise ValueError(
            "no caller's key is known; expected one under test_secrets.credentials"
            f" for one of {', '.join(ids[:_FEW])}"
        )
    shown = credentials[caller]
    if config.format is not None and not re.fullmatch(config.format.encode(), shown.encode()):
        raise ValueError(f"the credential of {caller} is not in the `format` that the policy wants")
    if config.query is None:
        name = config.header or _USUAL
        unsigned.headers[:] = [each for each in unsigned.headers if each[0].lower() != name.lower()]
        unsigned.headers.append((name, shown))
    else:
        joint = "&" if "?" in unsigned.target else "?"
        unsigned.target += f"{joint}{quote(config.query, safe='')}={quote(shown, safe='')}"


def rehearsed_with(config: ApiKeyConfig, credentials: Mapping[str, str]) -> ApiKeyConfig:
    """The same callers, of whom those in `credentials` have the key that is given there.

    Of several keys of a caller it takes the place of the one that lasts longest.
    """
    lasting: dict[str, Key] = {}
    for key in _all_keys(config):
        before = lasting.setdefault(key.id, key)
        if (key.expires or float("inf")) > (before.expires or float("inf")):
            lasting[key.id] = key

    def given(keys: Iterable[Key]) -> tuple[Key, ...]:
        return tuple(
            msgspec.structs.replace(key, sha256=Sha256(sha256(credentials[key.id].encode()).hexdigest()))
            if key.id in credentials and lasting[key.id] is key
            else key
            for key in keys
        )

    file = config.keys_file
    if file is not None and isinstance(file.content, KeysDocument):
        file = file.holding(KeysDocument(keys=given(file.content.keys)))
    return msgspec.structs.replace(config, keys=given(config.keys), keys_file=file)


def _all_keys(config: ApiKeyConfig) -> tuple[Key, ...]:
    return config.keys + keys_in(config.keys_file)


def _known(key: Key, place: str = "") -> _Known:
    expires = float("inf") if key.expires is None else key.expires
    return _Known(bytes.fromhex(key.sha256), identity_of(key), expires, place)


def _decoded(text: str) -> bytes:
    return unquote_to_bytes(text.replace("+", " ").encode("utf-8", "surrogateescape"))


def _without(query: str, name: str) -> str:
    """`query` less every parameter called `name`; the others byte for byte."""
    wanted = name.encode()
    return "&".join(pair for pair in query.split("&") if _decoded(pair.partition("=")[0]) != wanted)
