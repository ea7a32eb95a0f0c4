"""Keys that verify signatures, and what each algorithm makes of them (RFC 9421, section 3.3)."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta

from proxy.config.schema import Schema
from proxy.config.secrets import PublicText, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

Algorithm = Literal[
    "hmac-sha256", "ed25519", "ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa-pss-sha512", "rsa-v1_5-sha256"
]
Verify = Callable[[bytes, bytes], bool]
"""Signature and what is signed -> whether the one is of the other."""
HMAC = "hmac-sha256"
_SHORTEST_SECRET = 16
_SHORTEST_RSA = 2048


class KeyConfig(Schema, frozen=True, kw_only=True):
    """One key, and with what it signs."""

    algorithm: Annotated[Algorithm, Meta(description="The only one that is accepted of this key.")]
    public_key: Annotated[
        PublicText | None,
        Meta(description="In PEM: the text itself, or where it is. Not for hmac-sha256."),
    ] = None
    secret: Annotated[Secret | None, Meta(description="For hmac-sha256: what is shared with the sender.")] = (
        None
    )

    def check(self) -> Iterator[tuple[str, str]]:
        """The key is one for the algorithm."""
        wanted, other = ("secret", "public_key") if self.algorithm == HMAC else ("public_key", "secret")
        if getattr(self, other) is not None:
            yield other, f"{self.algorithm} does without; expected `{wanted}`"
        elif getattr(self, wanted) is None:
            yield "", f"`{wanted}` is missing, which {self.algorithm} needs"
        else:
            try:
                verifier(self)
            except ValueError as error:
                yield wanted, str(error)


def verifier(key: KeyConfig) -> Verify:
    """Raises ValueError where the key is none for its algorithm; says nothing of it."""
    if key.secret is not None:
        return _with_secret(key.secret.reveal())
    # Only here: a start without keys need not wait for it.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    assert key.public_key is not None  # noqa: S101  # `check` says so
    try:
        public = load_pem_public_key(key.public_key.reveal())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("this is no public key in PEM; expected -----BEGIN PUBLIC KEY-----") from None
    return _MAKERS[key.algorithm](public)


def sign_with(private_key: str, algorithm: Algorithm, signed: bytes) -> bytes:
    """For rehearsals. `private_key` is in PEM. Raises ValueError where it is none for `algorithm`."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, padding, utils  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        private: Any = load_pem_private_key(private_key.encode(), None)
        if algorithm == "ed25519":
            return bytes(private.sign(signed))
        if algorithm == "rsa-pss-sha512":
            return bytes(
                private.sign(signed, padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512())
            )
        if algorithm == "rsa-v1_5-sha256":
            return bytes(private.sign(signed, padding.PKCS1v15(), hashes.SHA256()))
        half = 32 if algorithm == "ecdsa-p256-sha256" else 48
        way = ec.ECDSA(hashes.SHA256() if half == 32 else hashes.SHA384())
        numbers = utils.decode_dss_signature(private.sign(signed, way))
        return b"".join(number.to_bytes(half, "big") for number in numbers)
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm):
        raise ValueError(f"the credential is no private key in PEM for {algorithm}") from None


def _with_secret(secret: bytes) -> Verify:
    if len(secret) < _SHORTEST_SECRET:
        raise ValueError(f"the secret can be guessed; expected {_SHORTEST_SECRET} bytes or more")
    return lambda signature, signed: hmac.compare_digest(hmac.digest(secret, signed, "sha256"), signature)


def _ed25519(public: Any) -> Verify:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    if not isinstance(public, Ed25519PublicKey):
        raise ValueError("this is a key of another kind; expected one of ed25519")  # noqa: TRY004
    return _raising(public.verify)


def _ecdsa(curve: str, bits: int) -> Callable[[Any], Verify]:
    def make(public: Any) -> Verify:
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature  # noqa: PLC0415

        if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != curve:
            raise ValueError(f"this is a key of another kind; expected one of {curve}")
        way = ec.ECDSA(hashes.SHA256() if bits == 256 else hashes.SHA384())
        half = bits // 8

        def check(signature: bytes, signed: bytes) -> None:
            # Section 3.3.4: both numbers with all their bytes, one behind the other.
            numbers = [int.from_bytes(part, "big") for part in (signature[:half], signature[half:])]
            public.verify(encode_dss_signature(*numbers), signed, way)

        verify = _raising(check)
        return lambda signature, signed: len(signature) == 2 * half and verify(signature, signed)

    return make


def _rsa(*, pss: bool) -> Callable[[Any], Verify]:
    def make(public: Any) -> Verify:
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415

        if not isinstance(public, rsa.RSAPublicKey):
            raise ValueError("this is a key of another kind; expected one of RSA")  # noqa: TRY004
        if public.key_size < _SHORTEST_RSA:
            raise ValueError(f"this key is too short; expected {_SHORTEST_RSA} bits or more")
        if not pss:
            way, digest = padding.PKCS1v15(), hashes.SHA256()
            return _raising(lambda signature, signed: public.verify(signature, signed, way, digest))
        salted, long = padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512()
        return _raising(lambda signature, signed: public.verify(signature, signed, salted, long))

    return make


def _raising(check: Callable[[bytes, bytes], None]) -> Verify:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

    def verify(signature: bytes, signed: bytes) -> bool:
        try:
            check(signature, signed)
        except InvalidSignature:
            return False
        return True

    return verify


_MAKERS: dict[str, Callable[[Any], Verify]] = {
    "ed25519": _ed25519,
    "ecdsa-p256-sha256": _ecdsa("secp256r1", 256),
    "ecdsa-p384-sha384": _ecdsa("secp384r1", 384),
    "rsa-pss-sha512": _rsa(pss=True),
    "rsa-v1_5-sha256": _rsa(pss=False),
}
