"""A token as it arrives (RFC 7519, RFC 7515), read in one way only.

Compact serialization with a signature. Nothing in a header says where a key comes from:
`jku`, `x5u`, `jwk` and `x5c` are not looked at (RFC 8725, section 3.10), and a header that names
extensions which must be understood is refused, since none is.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from proxy.algorithms.signatures import decode
from proxy.algorithms.strict_json import NotStrict, Structure
from proxy.algorithms.strict_json import decode as decode_json

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_LONGEST_ID = 256
_DEEPEST, _MOST_KEYS = 16, 1000


class Wrong(Exception):
    """The token is not accepted; says why, for the log."""


class Token(NamedTuple):
    """One whose signature has not been looked at yet."""

    algorithm: str
    key_id: str | None
    signed: bytes
    signature: bytes
    payload: bytes


def read_token(text: str, algorithms: frozenset[str], typ: str | None) -> Token:
    """Raises Wrong for whatever is no token that one of `algorithms` may have signed."""
    if not _COMPACT.fullmatch(text):
        raise Wrong("it is not of three parts in base64url")
    head, body, signature = (decode(part, "base64url") for part in text.split("."))
    if head is None or body is None or signature is None:
        raise Wrong("a part is not in base64url")
    header = json_object(head, "header")
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise Wrong("`alg` is none of `algorithms`")
    if "crit" in header or "b64" in header:
        raise Wrong("its header asks for extensions (`crit`, `b64`)")
    if key_id is not None and not (isinstance(key_id, str) and len(key_id) <= _LONGEST_ID):
        raise Wrong("`kid` is no text, or too long")
    if typ is not None and _media_type(header.get("typ")) != _media_type(typ):
        raise Wrong("`typ` is another")
    return Token(algorithm, key_id, text.rpartition(".")[0].encode(), signature, body)


def json_object(data: bytes, what: str) -> dict[str, Any]:
    """An object in which no key stands twice; raises Wrong."""
    structure = Structure(_DEEPEST, _MOST_KEYS)
    try:
        for _ in structure.count(data):
            pass
        document = decode_json(data, structure)
    except NotStrict as error:
        raise Wrong(f"its {what} is not JSON that can be read in one way: {type(error).__name__}") from None
    if not isinstance(document, dict):
        raise Wrong(f"its {what} is no object")
    return document


def _media_type(value: object) -> str | None:
    """RFC 7515, section 4.1.9: `application/` may be left out, and case does not count."""
    return value.lower().removeprefix("application/") if isinstance(value, str) else None
