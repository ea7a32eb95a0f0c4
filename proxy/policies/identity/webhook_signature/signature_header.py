"""What stands in the headers of a signed request: signatures, and the time of signing."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import new

from proxy.algorithms.signatures import decode
from proxy.algorithms.timestamps import read_timestamp
from proxy.policies.identity.webhook_signature.content import Message, NotAsAgreed
from proxy.policies.identity.webhook_signature.schemes import Scheme, Stamp

MOST_ENTRIES = 32
"""In one header; more are not looked at."""


def signatures_in(value: str, scheme: Scheme) -> Sequence[bytes]:
    """Those in a header that can be ones; raises NotAsAgreed where there are none."""
    found = []
    size = new(scheme.algorithm).digest_size
    for entry in _entries(value, scheme):
        prefix = next((each for each in scheme.prefixes if entry.startswith(each)), None)
        signature = None if prefix is None else decode(entry.removeprefix(prefix), scheme.encoding)
        if signature is not None and len(signature) == size:
            found.append(signature)
    if not found:
        raise NotAsAgreed(f"{scheme.header} has no signature in the form that is expected")
    return found


def time_in(message: Message, scheme: Scheme, stamp: Stamp) -> str:
    """The time of signing as a header has it; raises NotAsAgreed where it is none."""
    header, prefix = stamp.header, stamp.prefix
    value = message.only(header)
    entries = _entries(value, scheme) if header.lower() == scheme.header.lower() else [value]
    stamps = [entry.removeprefix(prefix) for entry in entries if entry.startswith(prefix)]
    if len(stamps) != 1 or read_timestamp(stamps[0], stamp.unit) is None:
        raise NotAsAgreed(f"{header} does not have one time in it that can be read")
    return stamps[0]


def _entries(value: str, scheme: Scheme) -> Sequence[str]:
    if not scheme.separator:
        return [value]
    entries = [entry.strip() for entry in value.split(scheme.separator, MOST_ENTRIES)]
    if len(entries) > MOST_ENTRIES:
        raise NotAsAgreed(f"{scheme.header} has more than {MOST_ENTRIES} entries")
    return entries
