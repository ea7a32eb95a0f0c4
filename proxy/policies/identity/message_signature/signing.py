"""Sign as a client would, for requests of a rehearsal."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence

from proxy.algorithms.structured_fields import Bare, InnerList, Item, spelled, spelled_dictionary
from proxy.policies.identity.message_signature import MessageSignatureConfig
from proxy.policies.identity.message_signature.components import (
    NotAsAgreed,
    components_of,
    message,
    signature_base,
)
from proxy.policies.identity.message_signature.digest import of as digest_of
from proxy.policies.identity.message_signature.keys import HMAC, sign_with
from proxy.policy import Unsigned


def sign_message(config: MessageSignatureConfig, unsigned: Unsigned, credentials: Mapping[str, str]) -> None:
    """Sign with the first key that can: of hmac-sha256, or with a private key among `credentials`.

    Raises ValueError where there is none, or the request lacks what has to be covered.
    """
    keyid = next((id_ for id_, key in config.keys.items() if key.algorithm == HMAC), None)
    keyid = keyid or next((id_ for id_ in config.keys if id_ in credentials), None)
    if keyid is None:
        raise ValueError(
            "no private key is known; expected one in PEM under test_secrets.credentials"
            f" for one of {', '.join(config.keys)}"
        )
    names = [*config.components, *(["content-digest"] if unsigned.body else [])]
    if unsigned.body:
        _put(unsigned, "Content-Digest", digest_of(unsigned.body))
    parameters: dict[str, Bare] = {"created": int(unsigned.now), "keyid": str(keyid)}
    if config.tag is not None:
        parameters["tag"] = config.tag
    if config.nonce == "required":
        parameters["nonce"] = "rehearsal"
    signed = InnerList([Item(str(name), {}) for name in dict.fromkeys(names)], parameters)
    base = _base(config, unsigned, signed)
    key = config.keys[keyid]
    if key.secret is not None:
        signature = hmac.digest(key.secret.reveal(), base, "sha256")
    else:
        signature = sign_with(credentials[keyid], key.algorithm, base)
    label = config.label or "sig1"
    _put(unsigned, "Signature-Input", f"{label}={spelled(signed)}")
    _put(unsigned, "Signature", spelled_dictionary({label: Item(signature, {})}))


def _base(config: MessageSignatureConfig, unsigned: Unsigned, signed: InnerList) -> bytes:
    fields: Sequence[tuple[str, str]] = unsigned.headers
    secure = config.public_url is not None and config.public_url.startswith("https")
    try:
        asked = message(unsigned.method, unsigned.target, fields, secure=secure, public_url=config.public_url)
        return signature_base(asked, components_of(signed), signed)
    except NotAsAgreed as error:
        raise ValueError(f"{error}; expected it in the request, since it has to be covered") from None


def _put(unsigned: Unsigned, name: str, value: str) -> None:
    unsigned.headers[:] = [each for each in unsigned.headers if each[0].lower() != name.lower()]
    unsigned.headers.append((name, value))
