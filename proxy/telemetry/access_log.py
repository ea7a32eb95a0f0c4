"""The access log: one line of JSON for each exchange, written off the hot path.

A line is encoded once into one buffer on the event loop's thread; the buffer goes to the
writer's thread when it is large enough or old enough. Lines are printable ASCII whatever
the client sent: quotes, control characters and everything beyond are escaped, so that no
request can forge a line or drive a terminal.
"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as quoted

from proxy.clock import Clock
from proxy.errors import Rejection
from proxy.exchange import Exchange, Outcome, Request
from proxy.problem import encodable
from proxy.telemetry.batch import LARGE, Batch, Schedule
from proxy.telemetry.batch_writer import BatchWriter
from proxy.telemetry.redaction import Redaction, masked_path, masked_query
from proxy.telemetry.timestamp import rfc3339
from proxy.telemetry.trace_context import trace_id

_LONGEST_TEXT = 2048
_MOST_HEADS = 4096
_THOUSAND = tuple(f"{number:03d}" for number in range(1000))
"""Numbers in a format cost more than all strings of a line together."""


class AccessLog:
    """Encodes lines and hands them to `writer`; all of it on one thread."""

    def __init__(self, writer: BatchWriter, clock: Clock, schedule: Schedule) -> None:
        self._writer = writer
        self._now = clock.now
        self._batch = Batch(writer.put, schedule)
        self._second = -1
        self._stamp = ""
        self.redaction: Redaction | None = None
        """What is not to be seen, beside what looks secret."""
        self._heads: dict[tuple[str, str, int, int | None, int], str] = {}

    @property
    def dropped(self) -> int:
        """Lines lost so far: the writer could not keep up, or could not write."""
        return self._writer.dropped

    @property
    def error(self) -> str:
        """Why lines are being lost; empty where they are not."""
        return self._writer.error

    def write(self, exchange: Exchange, outcome: Outcome) -> None:
        """Add the line of an exchange that is over."""
        request = exchange.request
        # These are the same for nearly all requests of a route, and half of a line's cost.
        key = (
            exchange.route.name,
            request.method,
            outcome.status,
            exchange.upstream_status,
            exchange.attempts,
        )
        head = self._heads.get(key) or self._new_head(*key)
        target, hidden = request.target, self.redaction
        plain = (
            hidden is None
            and "?" not in target
            and target.startswith("/")
            and len(target) < _LONGEST_TEXT
            and target.isascii()
            and "=" not in target
            and "%" not in target
            and "eyJ" not in target
        )
        path = quoted(target) if plain else _text(path_of(request))
        client_ip = exchange.client_ip
        if hidden is not None:
            path = _text(hidden.path(path_of(request), exchange.route.template))
            client_ip = hidden.client_ip(exchange)
        tail = ""
        upstream, identity, retries = exchange.upstream, exchange.identity, exchange.retries
        told = identity is not None or upstream is not None or retries is not None
        if told or request.query or not outcome.complete:
            tail = _circumstances(exchange, outcome, hidden)
        if outcome.reason or exchange.refusal is not None or exchange.shadowed is not None:
            tail += _verdict(exchange, outcome)
        if exchange.peer_trusted:  # as for request ids: anybody else could claim to be in another's trace
            tail += _trace(request)
        now = self._now()
        second = int(now)
        if second != self._second:
            self._second, self._stamp = second, rfc3339(second).removesuffix("000Z")
        batch = self._batch
        batch.lines += (
            f'{{"time":"{self._stamp}{_THOUSAND[int((now - second) * 1000)]}Z",'
            f'"request_id":{quoted(exchange.request_id)},"decision_id":{quoted(exchange.decision_id)},'
            f'{head},"path":{path},"duration_ms":{(outcome.ended - exchange.started) * 1000:.3f},'
            f'"bytes_in":{outcome.bytes_received},"bytes_out":{outcome.bytes_sent},'
            f'"client_ip":{quoted(client_ip)}{tail}}}\n'
        ).encode()
        if not batch.scheduled or len(batch.lines) > LARGE:  # as `add`, without a call for each line
            batch.grown()

    def flush(self) -> None:
        """Hand what there is to the writer."""
        self._batch.flush()

    def close(self, wait: float = 2.0) -> bool:
        """Write what is left, for `wait` seconds at most; False where some of it was not."""
        self.flush()
        return self._writer.close(wait)

    def _new_head(self, route: str, method: str, status: int, upstream: int | None, attempts: int) -> str:
        if len(self._heads) >= _MOST_HEADS:  # methods are the client's to choose
            self._heads.clear()
        answered = "" if upstream is None else f',"upstream_status":{upstream}'
        head = f'"route":{_text(route)},"method":{_text(method)},"status":{status}'
        head += f'{answered},"attempts":{attempts}'
        self._heads[route, method, status, upstream, attempts] = head
        return head


def path_of(request: Request) -> str:
    """The path as it came, before any decoding; never a query, a user, or what looks secret."""
    target = request.target
    if not target.startswith("/"):  # absolute-form may hold user:password@
        return masked_path(request.path)
    return masked_path(target.partition("?")[0] if "?" in target else target)


def _text(text: str) -> str:
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}..."
    return quoted(text if text.isascii() else encodable(text))


def _circumstances(exchange: Exchange, outcome: Outcome, hidden: Redaction | None) -> str:
    query = exchange.request.query[:_LONGEST_TEXT]
    shown = masked_query(query) if hidden is None else hidden.query(query)
    parts = f',"query":{_text(shown)}' if query else ""
    if exchange.upstream is not None:
        parts += f',"upstream":{quoted(exchange.upstream)}'
    if exchange.identity is not None:
        id_ = exchange.identity.id if hidden is None else hidden.identity(exchange)
        parts += f',"identity":{_text(id_)}'
    if exchange.retries:
        told = [f"{each.error_class} {each.cause} {each.outcome}" for each in exchange.retries]
        parts += f',"retries":[{",".join(map(_text, told))}]'
    return parts if outcome.complete else parts + ',"complete":false'


def _trace(request: Request) -> str:
    traceparent = request.headers.get("traceparent")
    trace = trace_id(traceparent) if traceparent else ""
    return f',"trace_id":"{trace}"' if trace else ""


def _verdict(exchange: Exchange, outcome: Outcome) -> str:
    reason = reason_of(exchange.refusal, outcome)
    parts = f',"reason":{_text(reason)}' if reason else ""
    if exchange.refusal is not None and exchange.refusal.cause:
        parts += f',"cause":{_text(exchange.refusal.cause)}'
    if exchange.shadowed:
        parts += f',"shadow":[{",".join([_text(rejection.reason) for rejection in exchange.shadowed])}]'
    return parts


def reason_of(refusal: Rejection | None, outcome: Outcome) -> str:
    """Why the client did not get the upstream's answer, whole; empty where it did."""
    return outcome.reason if refusal is None else refusal.reason
