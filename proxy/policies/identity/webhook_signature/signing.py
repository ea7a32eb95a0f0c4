"""Sign as the provider would, for requests of a rehearsal."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256

from proxy.algorithms.signatures import encode, read_key
from proxy.algorithms.signed_template import HEADER, Template
from proxy.algorithms.timestamps import write_timestamp
from proxy.policies.identity.webhook_signature import WebhookSignatureConfig
from proxy.policies.identity.webhook_signature.certified import CERTIFIED
from proxy.policies.identity.webhook_signature.content import (
    BODY_HASH,
    FORM,
    Message,
    NotAsAgreed,
    body_hash,
    field_of,
    signed_content,
)
from proxy.policies.identity.webhook_signature.rehearsing import sign_by_certificate
from proxy.policies.identity.webhook_signature.schemes import Scheme, Stamp
from proxy.policies.identity.webhook_signature.verification import is_for, verifications
from proxy.policy import Unsigned


def sign_as_provider(
    config: WebhookSignatureConfig,
    unsigned: Unsigned,
    credentials: Mapping[str, str],  # noqa: ARG001  # the same for all policies
) -> None:
    """Sign with the first secret, now; a time or an id that the test gives itself is kept.

    Raises ValueError where a test leaves something out that is signed and nobody can make up.
    """
    if config.scheme in CERTIFIED:
        sign_by_certificate(config, unsigned)
        return
    if not config.secrets:
        return  # nothing is verified, so that nothing need be signed
    secret = config.secrets[0]
    way = next(way for way in verifications(config) if is_for(way.scheme, secret))
    scheme = way.scheme
    if not scheme.signed:
        _put(unsigned, scheme.header, secret.reveal_text())
        return
    time = "" if scheme.stamp is None else _stamped(unsigned, scheme, scheme.stamp)
    if scheme.message_id and not _values(unsigned, scheme.message_id):
        _put(unsigned, scheme.message_id, "msg_rehearsal")
    if FORM in way.template.places:
        _vouch_for_body(unsigned)
    pieces = _content(unsigned, way.template, time, way.bases[0])
    digest = hmac.digest(read_key(secret.reveal(), scheme.key), b"".join(pieces), scheme.algorithm)
    signature = scheme.prefixes[0] + encode(digest, scheme.encoding)
    if scheme.stamp is not None and scheme.stamp.header.lower() == scheme.header.lower():
        signature = f"{scheme.stamp.prefix}{time}{scheme.separator}{signature}"
    _put(unsigned, scheme.header, signature)


def _stamped(unsigned: Unsigned, scheme: Scheme, stamp: Stamp) -> str:
    """The time of signing, put where it belongs unless the test has put one there."""
    now = write_timestamp(unsigned.now, stamp.unit)
    if stamp.field:
        given = field_of(unsigned.body, stamp.field)
        if given is None:
            _put_into_body(unsigned, stamp, now)
        return now if given is None else given
    if stamp.header.lower() == scheme.header.lower():
        return now
    if not _values(unsigned, stamp.header):
        _put(unsigned, stamp.header, stamp.prefix + now)
    return _values(unsigned, stamp.header)[0].removeprefix(stamp.prefix)


def _put_into_body(unsigned: Unsigned, stamp: Stamp, now: str) -> None:
    document: object = None
    with suppress(ValueError):
        document = json.loads(unsigned.body)
    name = stamp.field.removeprefix("/")
    if not isinstance(document, dict) or "/" in name:
        raise ValueError(f"the time of signing is missing; expected a JSON body with it at {stamp.field}")
    document[name.replace("~1", "/").replace("~0", "~")] = now if stamp.unit == "iso8601" else int(now)
    unsigned.body = json.dumps(document).encode()


def _vouch_for_body(unsigned: Unsigned) -> None:
    """As Twilio does for a body that is no form: its digest goes into the URL."""
    message = _message(unsigned)
    if message.body and not message.is_form() and not body_hash(message.target):
        joint = "&" if "?" in unsigned.target else "?"
        unsigned.target += f"{joint}{BODY_HASH.decode()}={sha256(message.body).hexdigest()}"


def _content(unsigned: Unsigned, template: Template, time: str, base: str) -> list[bytes]:
    try:
        return list(signed_content(template, _message(unsigned), time, base))
    except NotAsAgreed as error:
        wanted = ", ".join(
            place.removeprefix(HEADER) for place in template.places if place.startswith(HEADER)
        )
        raise ValueError(f"{error}; expected each of {wanted} once, since they are signed") from None


def _message(unsigned: Unsigned) -> Message:
    return Message(unsigned.method, unsigned.target, lambda name: _values(unsigned, name), unsigned.body)


def _values(unsigned: Unsigned, name: str) -> list[str]:
    return [value for each, value in unsigned.headers if each.lower() == name.lower()]


def _put(unsigned: Unsigned, name: str, value: str) -> None:
    unsigned.headers[:] = [each for each in unsigned.headers if each[0].lower() != name.lower()]
    unsigned.headers.append((name, value))
