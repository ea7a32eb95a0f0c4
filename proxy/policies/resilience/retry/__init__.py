"""Repeat a call of the upstream that came to nothing, if that can do no harm.

```yaml
retry:
  max_retries: 3
  backoff: {base: 250ms, factor: 2.0, max: 8s, jitter: full}
  classes:
    network_error: {}
    gateway_error: {}
    rate_limited: {multiplier: 2.0}
    timeout: {max_retries: 1}
    api_limit: {body: {xpath: "//Error/@Number", values: ["2030280", "2030281"]}}
```

**What is repeated.** A call whose failure belongs to one of `classes`; what fits several, to
the first of an operator's own in the order of the file, and then to the narrowest:

| class | |
|---|---|
| `connect_error` | no connection: refused, no such name, not in time |
| `timeout` | a limit of `timeout` has passed, for the head or between two pieces |
| `network_error` | it broke off before the head of an answer, or what came is no HTTP |
| `rate_limited` | an answer with 429 |
| `gateway_error` | 502, 503, 504 |
| `server_error` | 5xx, but not 501 and 505, which the next call can't cure |
| any other name | an answer with this `status`, `header` and `body`: all that are given |

Without `connect_error`, no connection in time is a `timeout`, and any other a `network_error`.

Without `classes`, they are `connect_error`, `network_error`, `timeout` and `gateway_error`.
`status` of `rate_limited` and the like can be given anew. A class may have its own
`max_retries`, which then counts instead of the policy's, be it more or less.

**What is never repeated.** A method that is not in `methods`: POST and PATCH only where they
are named, or where no byte of the request was sent, or after an answer of a class with
`nothing_done`, or, with `upstream_honours_idempotency_key`, with an `Idempotency-Key`: an upstream
that knows nothing of such keys would do it twice. An answer of which the client has got the head. A call that
`circuit_breaker` refuses. A request whose body is over `body_limit`: bodies are streamed, and
so much is kept as they go by. All of it ends when the client leaves, and when the `deadline`
leaves no time for the wait and another call.

**Nothing was done.** An API that counts its callers' calls refuses the one that is too many before it
works on it. With `rate_limited: {nothing_done: true}` such a call is repeated whatever its method. Say it
only of answers that the upstream gives instead of working, never of a 5xx: a gateway gives that of what
may have been done behind it. With `methods: []` besides, nothing is repeated that may have been done,
which is right for APIs whose GET orders something: a method that is not in `methods` is not even sent
again where a connection that was idle turns out to be closed, as it is on routes without this policy.

**How long it waits.** Up to `base`, and `factor` times as long each further time, up to `max`,
times the class's `multiplier`; by `jitter` less, since callers that wait equally long come back
all at once. An upstream that says how long in `Retry-After`, in seconds or as a date, is heard
(but for 501): up to `honour_retry_after.max`, and up to half as long again by chance, never
sooner. Where a call has opened the `circuit_breaker` for longer than the wait, nothing is waited for: the
last answer stands, or what the breaker's `on_open` says comes at once.

**Not too many.** `budget` bounds the repetitions of all requests together, as a share of the
first calls: when everything fails, an upstream gets a fifth more calls, and not four times as
many.

**Looking into answers.** For a `body`, answers are held until they are complete or over
`body_limit`; then they stream on and match nothing. gzip and deflate are undone, within the
same bound, and no other coding is asked for: the upstream gets the client's `Accept-Encoding`
without the others, or `identity`. XML with a DTD is not read, so that no entity is ever
expanded; of XPath there are names, `*`, `/`, `//`, `@name` and `text()`, without prefixes of
namespaces; an element's text is its own, without that of elements in it. A regular expression is
tried on up to `body_limit`, and Python's can take long: one without nested repetitions does not.

**What the client sees.** The first answer that is of no class, or where there is none the last
one as it is, or the last failure. With `attempts_header` it is told how many calls were made.

**What it costs.** Next to nothing while calls succeed, but for a class with `header` or `body` and
no `status`, for which each answer is looked at before it goes on.

**State.** The budget's counts, in memory, by the policy's name; a reload keeps them, unless
`window` is another. There is nothing that could fail. `seawall_retries_total` counts by route,
class and outcome: `recovered`, `failed` (again), `refused` (by a policy behind) and `answered`
(by it), or, where nothing was repeated, `exhausted`, `over_budget`, `no_time`, `no_body`;
`abandoned` where the client left or the deadline ended meanwhile. `seawall_retry_failed_call_seconds`
has the times of the calls that came to nothing, `seawall_retry_wait_seconds` those of the waits
before others, both as histograms by route and class. The access log and decisions name them.

**Hardened against.** Repeating what must not be (payments), storms, an upstream that sends its
callers away for a year, waits and numbers that overflow, bodies without an end, and entities in
XML.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from msgspec import Meta

from proxy.algorithms.backoff import AT_MOST_LONGER
from proxy.algorithms.content_coding import undone_of
from proxy.algorithms.retry_budget import RetryBudget
from proxy.config.patterns import Method, Name
from proxy.config.schema import PolicyConfig
from proxy.config.spelling import about, spelled
from proxy.config.units import HeaderName, Size
from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Attempt, Exchange, Forward, Response
from proxy.headers import Headers
from proxy.policies.resilience.retry.classes import Class, Classes
from proxy.policies.resilience.retry.plan import Past, Plan
from proxy.policies.resilience.retry.settings import (
    OF_FAILURES,
    BackOffConfig,
    BudgetConfig,
    ClassConfig,
    RetryAfterConfig,
    faults_of,
)
from proxy.policy import Services

REASONS = ()

IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")
"""RFC 9110, section 9.2.2: repeating these has the same effect as sending them once."""
_USUAL = ("connect_error", "network_error", "timeout", "gateway_error")


class RetryConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    max_retries: Annotated[
        int, Meta(ge=0, le=20, description="How often a call is repeated: 2 is up to three calls.")
    ] = 2
    methods: Annotated[
        tuple[Method, ...],
        Meta(description="Whose requests are repeated; where nothing was sent or done, whatever the method."),
    ] = tuple(map(Method, IDEMPOTENT))
    upstream_honours_idempotency_key: Annotated[
        bool,
        Meta(description="It does nothing twice for one `Idempotency-Key`: such requests are repeated, too."),
    ] = False
    backoff: Annotated[BackOffConfig, Meta(description="How long to wait before.")] = BackOffConfig()
    honour_retry_after: Annotated[
        RetryAfterConfig, Meta(description="Whether an upstream that says when to come back is heard.")
    ] = RetryAfterConfig()
    budget: Annotated[BudgetConfig, Meta(description="How many of all calls may be repeated.")] = (
        BudgetConfig()
    )
    body_limit: Annotated[
        Size,
        Meta(
            le=100 * 2**20,
            description="Bytes of a request's body that are kept to be sent again, "
            "and of an answer's in which classes look.",
        ),
    ] = Size(64 * 1024)
    classes: Annotated[
        dict[Name, ClassConfig] | None,
        Meta(
            description="Which failures: connect_error, network_error, timeout, gateway_error where absent."
        ),
    ] = None
    attempts_header: Annotated[
        HeaderName | None,
        Meta(description="Tells the client how many calls were made, such as `X-Seawall-Attempts`."),
    ] = None

    @property
    def stated(self) -> Mapping[str, ClassConfig]:
        """The classes, or those that are usual."""
        stated: Mapping[Any, ClassConfig] | None = self.classes  # a Name is a str, its dict is none of str
        return dict.fromkeys(_USUAL, ClassConfig()) if stated is None else stated

    def limit_of(self, name: str) -> int:
        """How often a call is repeated after failures of a class."""
        own = self.stated[name].max_retries
        return self.max_retries if own is None else own

    @property
    def most_retries(self) -> int:
        """How often a call is repeated, whatever the failures and their order."""
        limits = [self.limit_of(name) for name in self.stated]
        return min(sum(limits), max([self.max_retries, *limits]))

    @property
    def longest_waits(self) -> list[float]:
        """Seconds before each repetition at most, where no answer asks for more."""
        multiplier = max((each.multiplier for each in self.stated.values()), default=1.0)
        waits = self.backoff.waits
        return [waits.bounds(step, multiplier)[1] for step in range(1, self.most_retries + 1)]

    @property
    def longest_asked(self) -> float:
        """Seconds that an answer can ask for at most, before each repetition; 0 where none is heard."""
        answers = any(name not in OF_FAILURES for name in self.stated)
        return self.honour_retry_after.max * AT_MOST_LONGER if answers else 0.0

    def check(self) -> Iterator[tuple[str, str]]:
        """Something is repeated, and it is clear what."""
        yield from faults_of(self.stated)

    def in_words(self) -> Sequence[str]:
        """How often and how soon, at most."""
        most = self.most_retries
        waits = ", ".join(about(wait) for wait in self.longest_waits[:6]) + (", ..." if most > 6 else "")
        words = [
            f"at most {most + 1} calls of the upstream for one request",
            f"waits of up to {waits or 'nothing'}",
        ]
        if self.longest_asked:
            words[-1] += f", and up to {about(self.longest_asked)} where the answer asks for it"
        words += [
            f"{self.limit_of(name)} after {name}, which counts instead of max_retries {self.max_retries}"
            for name, each in self.stated.items()
            if each.max_retries is not None and each.max_retries > self.max_retries
        ]
        budget = self.budget
        share, window = spelled(budget.ratio), spelled(budget.window)
        words.append(
            f"all together {share} of the first calls and {budget.min_per_second:g} a second, in {window}"
        )
        return words


class Retry:
    """See the module's docstring."""

    def __init__(self, config: RetryConfig, services: Services) -> None:
        self._sleep = services.clock.sleep
        self._classes = Classes(config.stated, config.max_retries, config.body_limit)
        self._methods = frozenset(config.methods)
        self._any = any(each.nothing_done for each in config.stated.values())
        self._by_key = config.upstream_honours_idempotency_key
        self._body_limit = config.body_limit
        self._header = config.attempts_header or ""
        self.late = self._classes.statuses
        window, ratio = float(config.budget.window), config.budget.ratio
        self._budget = services.shared(f"budget of {window}", lambda: RetryBudget(window))
        take = partial(self._budget.take, ratio=ratio, min_per_second=config.budget.min_per_second)
        if config.attempts_header is not None:
            self.on_response = self._tell
        asked = float(config.honour_retry_after.max)
        self._plan = Plan(config.max_retries, config.backoff.waits, asked, take, services)

    def on_request(self, exchange: Exchange) -> None:
        if self._classes.look_into_bodies:
            _ask_for_what_can_be_read(exchange.request.headers)
        repeatable = self._is_repeatable(exchange)
        exchange.once = exchange.once or not repeatable
        if (repeatable or self._any) and not isinstance(exchange.request.content, bytes):
            exchange.keep_body(self._body_limit)

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        past = Past()
        result = await _call(exchange, forward)
        while True:
            result, found = await self._judge(result)
            past.told("recovered" if found is None else "failed")
            if found is None or not self._may_repeat(exchange, result, found):
                break
            wait = self._plan.wait(exchange, result, found, past)
            if wait is None:
                break
            if wait > 0:
                await self._sleep(wait)
            try:
                again = await _call(exchange, forward)
            except Rejection:  # a policy behind lets nobody call: what was there before is the answer
                past.told("refused")
                break
            if isinstance(again, Response) and not again.from_upstream:
                past.told("answered")
                return again
            result = again
        if isinstance(result, UpstreamError):
            raise result
        return result

    def on_attempt(self, exchange: Exchange, attempt: Attempt) -> None:
        # A first call that the wire has made again, since its connection was closed, is the second.
        if attempt.number == 1 or exchange.retries is None:
            self._budget.first(attempt.ended)

    def _tell(self, exchange: Exchange, response: Response) -> None:
        response.headers.set(self._header, str(exchange.attempts))

    async def _judge(self, result: Response | UpstreamError) -> tuple[Response | UpstreamError, Class | None]:
        if isinstance(result, Response):
            if not result.from_upstream:
                return result, None
            try:
                return result, await self._classes.of_answer(result)
            except UpstreamError as error:  # its body broke off, and the client has seen nothing of it
                result = error.with_traceback(None)
        return result, self._classes.of_failure(result)

    def _may_repeat(self, exchange: Exchange, result: Response | UpstreamError, found: Class) -> bool:
        nothing_sent = isinstance(result, UpstreamError) and result.nothing_sent
        return nothing_sent or found.nothing_done or self._is_repeatable(exchange)

    def _is_repeatable(self, exchange: Exchange) -> bool:
        """Even if the upstream has worked on it."""
        request = exchange.request
        return request.method in self._methods or (self._by_key and "Idempotency-Key" in request.headers)


async def _call(exchange: Exchange, forward: Forward) -> Response | UpstreamError:
    try:
        return await forward(exchange)
    except UpstreamError as error:
        return error.with_traceback(None)


def _ask_for_what_can_be_read(headers: Headers) -> None:
    accepted = headers.get("Accept-Encoding")
    if accepted is not None and (undone := undone_of(accepted)) != accepted:
        headers.set("Accept-Encoding", undone)
