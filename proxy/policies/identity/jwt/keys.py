"""Keys that verify tokens: from a JWK set (RFC 7517), or secrets that are shared with the issuer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from jwt.algorithms import Algorithm

AlgorithmName = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    "HS256", "HS384", "HS512",
]  # fmt: skip

MOST_KEYS = 100
"""In one set; one with more is refused."""
_MOST_TRIED = 16
"""Keys that may have signed one token: where there are more, it is not looked at."""
_LONGEST_ID = 256
_SMALLEST_RSA, _LARGEST_RSA = 2048, 8192
_LARGEST_EXPONENT = 64
_SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
"""RFC 7518, section 3.2: as long as the digest."""

_RSA = frozenset(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"))
_CURVES: Mapping[tuple[str, str], str] = {
    ("EC", "P-256"): "ES256",
    ("EC", "P-384"): "ES384",
    ("EC", "P-521"): "ES512",
    ("OKP", "Ed25519"): "EdDSA",
    ("OKP", "Ed448"): "EdDSA",
}
ASYMMETRIC = _RSA | frozenset(_CURVES.values())
_PUBLIC = ("kty", "n", "e", "crv", "x", "y")
_NAMES = {"Ed25519": "EdDSA", "Ed448": "EdDSA"}
"""RFC 9864: other names of one algorithm."""


class VerifyingKey(NamedTuple):
    """One key, and what it is for."""

    id: str | None
    algorithms: frozenset[str]
    key: Any
    """As pyjwt wants it."""


class Ring:
    """The keys that count at one time; never changed."""

    def __init__(self, keys: Iterable[VerifyingKey]) -> None:
        self.keys = tuple(keys)

    def fitting(self, algorithm: str, key_id: str | None) -> Sequence[VerifyingKey]:
        """Those that may have signed a token that says this of itself; a key without a name may be any."""
        fitting = [key for key in self.keys if algorithm in key.algorithms]
        if key_id is not None:
            fitting = [key for key in fitting if key.id in (key_id, None)]
        return fitting if len(fitting) <= _MOST_TRIED else ()


def algorithm_named(name: str) -> Algorithm:
    """Raises ValueError, in words for the operator, where the package for it is not there."""
    try:
        from jwt import get_algorithm_by_name  # noqa: PLC0415  # an extra: only where a policy needs it
    except ModuleNotFoundError:
        raise ValueError("it needs the package pyjwt; expected an installation as seawall[jwt]") from None
    return get_algorithm_by_name(name)


def of_secrets(secrets: Sequence[bytes], algorithms: Iterable[str]) -> Ring:
    """A ring of shared secrets. Raises ValueError, with words that hold nothing of them."""
    names = frozenset(algorithms)
    least = max(_SECRET_BYTES[name] for name in names)
    for secret in secrets:
        if len(secret) < least:
            raise ValueError(f"the secret is {len(secret)} bytes long; expected at least {least}")
    return Ring(VerifyingKey(None, names, _prepared(secret, min(names))) for secret in secrets)


def _prepared(secret: bytes, algorithm: str) -> Any:
    from jwt import InvalidKeyError  # noqa: PLC0415  # as above

    try:
        return algorithm_named(algorithm).prepare_key(secret)
    except InvalidKeyError:
        raise ValueError("the secret is a public or private key; expected random bytes") from None


def of_set(document: object, algorithms: Iterable[str]) -> Ring:
    """The keys of a JWK set that can verify one of `algorithms`; others are passed over (RFC 7517, 5).

    Raises ValueError where it is no set, or none of its keys can be used; says why of the first few.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("this is no JWK set; expected a mapping with a list of `keys`")  # noqa: TRY004
    if len(entries) > MOST_KEYS:
        raise ValueError(f"there are {len(entries)} keys in it; expected at most {MOST_KEYS}")
    wanted, keys, faults = frozenset(algorithms), [], []
    for entry in entries:
        try:
            keys.append(_verifying(entry, wanted))
        except ValueError as error:
            faults.append(str(error))
    if not keys:
        said = "; ".join(list(dict.fromkeys(faults))[:3]) or "there are none"
        raise ValueError(f"no key in it can verify {' or '.join(sorted(wanted))}: {said}")
    return Ring(keys)


def _verifying(entry: object, wanted: frozenset[str]) -> VerifyingKey:
    """Raises ValueError with the reason why the key is not used."""
    if not isinstance(entry, dict):
        raise ValueError("a key is no mapping")  # noqa: TRY004
    key_id, operations = entry.get("kid"), entry.get("key_ops", ["verify"])
    if key_id is not None and not (isinstance(key_id, str) and len(key_id) <= _LONGEST_ID):
        raise ValueError("the `kid` of a key is no text, or too long")
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("a key is not for signatures")
    possible = _possible(entry)
    stated = entry.get("alg")
    if stated is not None:
        possible &= {_NAMES.get(stated, stated)} if isinstance(stated, str) else set()
    usable = possible & wanted
    if not usable:
        raise ValueError(f"a key of type {_short(entry.get('kty'))} is for another algorithm")
    return VerifyingKey(key_id, usable, _read(entry, min(usable)))


def _possible(entry: Mapping[str, Any]) -> frozenset[str]:
    """By its type; `oct` is never one: a secret is not published."""
    kind, curve = entry.get("kty"), entry.get("crv")
    if kind == "RSA":
        return _RSA
    name = _CURVES.get((kind, curve)) if isinstance(kind, str) and isinstance(curve, str) else None
    return frozenset(() if name is None else (name,))


def _read(entry: Mapping[str, Any], algorithm: str) -> Any:
    from jwt import InvalidKeyError  # noqa: PLC0415  # as above

    public = {name: entry[name] for name in _PUBLIC if name in entry}  # a private part is nobody's business
    try:
        key: Any = algorithm_named(algorithm).from_jwk(public)
    except (InvalidKeyError, ValueError, TypeError, KeyError, AttributeError):
        raise ValueError(f"a key of type {_short(entry.get('kty'))} is malformed") from None
    if algorithm in _RSA:
        if not _SMALLEST_RSA <= key.key_size <= _LARGEST_RSA:
            raise ValueError(f"an RSA key has {key.key_size} bits, not {_SMALLEST_RSA} to {_LARGEST_RSA}")
        if key.public_numbers().e.bit_length() > _LARGEST_EXPONENT:
            raise ValueError("the exponent of an RSA key is too large")
    return key


def _short(value: object) -> str:
    return repr(value)[:20]
