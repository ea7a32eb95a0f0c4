"""Heads of one connection that are all the same but for the value of one field.

So are those of a client that names its trace, or the time, in each request: everything but
that value is compared with what was read before, and not read again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from proxy.header_lines import HOLE, Varied
from proxy.wire.head import RequestFields, believed
from proxy.wire.parser import Fields

if TYPE_CHECKING:
    from proxy.wire.client import ClientConnection

_COMPARED = 16
"""How often two heads in a row are searched for what they have in common: a fifth of reading one, which who
says several things anew each time is not to pay for ever."""

_VALUE = re.compile(rb"[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff]*+(?<! ))?")
"""What the grammar of `proxy.wire.parser` leaves as it is."""


class Hollow(msgspec.Struct, frozen=True, eq=False):
    """Such fields, with a hole for the value."""

    before: bytes
    """The lines up to the value, and..."""
    after: bytes
    """...those behind it, from the CRLF on."""
    name: bytes
    """Of the field, in lower case."""
    fields: RequestFields
    """What is believed of them: what is passed on with the hole, and of all of them what means something."""

    def filled(self, lines: bytes) -> RequestFields | None:
        """What is believed of `lines`, where they are these with some value; else None."""
        if not (lines.startswith(self.before) and lines.endswith(self.after)):
            return None
        value = lines[len(self.before) : -len(self.after)]
        if not _VALUE.fullmatch(value):
            return None
        around = self.fields
        return RequestFields(
            Fields(lines, b"", around.all.special, around.all.connection),
            around.kept.replace(HOLE, value),
            b"",
            around.host,
            around.framed,
            around.upgrade,
            around.trailers,
            around.known,
            Varied(self.name, value, around.kept, around.kept_lower),
        )


def remember(client: ClientConnection, lines: bytes, fields: RequestFields) -> None:
    """`fields` were read in `lines`; find out what they have in common with those of the request before."""
    before = client.last_lines
    client.last_lines, client.last_fields = lines, fields
    # What had to be spelled anew is always read: its names may be odd.
    if before and client.compared < _COMPARED and fields.all.lines is lines:
        client.compared += 1
        client.hollow = _hollow(before, fields.all, client) or client.hollow


def _hollow(before: bytes, fields: Fields, client: ClientConnection) -> Hollow | None:
    """What both have in common, where they differ in one field, which means nothing to us."""
    lines, old = fields.lines.split(b"\r\n"), before.split(b"\r\n")
    differing = [at for at, line in enumerate(lines) if len(lines) == len(old) and line != old[at]]
    if len(differing) != 1:
        return None
    at = differing[0]
    name, colon, _ = lines[at].partition(b": ")
    lower, serving = name.lower(), client.serving
    if serving.request_specials.findall(b"\n%b: \r" % lower):
        return None
    start, end = b"\r\n".join((*lines[:at], name + colon)), b"\r\n".join((b"", *lines[at + 1 :]))
    around = start + HOLE + end
    all_ = Fields(around, around.lower(), fields.special, fields.connection)
    guarded = serving.dropped_untrusted
    dropped = serving.dropped_trusted if client.peer_trusted else guarded
    hollow = believed(all_, dropped, guarded, remembered=True)
    # All lines are kept once, around the hole.
    meaning = msgspec.structs.replace(all_, lines=b"", lower=b"")
    return Hollow(start, end, lower, msgspec.structs.replace(hollow, all=meaning))
