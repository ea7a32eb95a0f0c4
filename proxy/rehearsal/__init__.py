"""Requests through the production proxy on a virtual clock: no socket, no waiting, the same every time.

For `seawall test`, which plays the `tests` of policy files, and `seawall explain`.
"""

from __future__ import annotations

from proxy.rehearsal.messages import Answer, Request
from proxy.rehearsal.rehearsal import START, Rehearsal, Rehearsed, rehearse
from proxy.rehearsal.upstream import Call
from proxy.rehearsal.virtual_loop import Stuck

__all__ = ["START", "Answer", "Call", "Rehearsal", "Rehearsed", "Request", "Stuck", "rehearse"]
