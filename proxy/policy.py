"""The contract between a policy and the engine: five hooks, no base class.

A policy is a class built as `Policy(config, services)`; it has those of the hooks below
that it wants. Everything that can fail, fails in its constructor; hooks are straight lines.

- `on_request(exchange) -> Response | None`: on the way in, a plain function or a
  coroutine. Pass (None), answer (a Response), or refuse (raise Rejection). A plain function
  that has to wait now and then returns a function whose result is awaited (`Later`): only
  those requests take a task.
- `around(exchange, forward) -> Response`: a coroutine that owns the call; `forward`
  returns at the response's head. Answer instead of it, repeat it, bound it, remember it.
- `on_attempt(exchange, attempt)`: after each attempt's last byte or failure.
- `on_response(exchange, response)`: on the way out, for every response, refusals and
  our own bugs included. Change the head. Must cope with `on_request` never having run.
- `on_finish(exchange, outcome)`: once, after the last byte or the failure. Give back
  permits; it runs even if a neighbour's hook raised.

A policy whose `around` has nothing to do before its first call, and nothing to do after most, may
have `late`: the statuses of the upstream's answers with which it is concerned. It promises that
`around` does nothing that could be noticed before it calls `forward` with the exchange that it was
given; that it gives back what the first call came to, as it is, unless that was a failure of the
upstream (UpstreamError) or an answer of the upstream's with such a status; and that what a policy
behind it answers or refuses instead of a call goes through. Where that holds of all that own the
call on a route, the first call is made without them, and they are entered with what it came to,
where that concerns one of them (docs/adr/0020-the-first-call-may-be-made-without-around.md).

Laws: after `__init__` a policy changes nothing but its own counters and its store. State
keyed by client data is bounded. State that must outlive a reload comes from
`services.shared`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import iscoroutinefunction
from random import Random
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from proxy.clock import Clock
from proxy.config.schema import PolicyConfig
from proxy.errors import UpstreamError
from proxy.exchange import Attempt, Exchange, ExchangeKey, Forward, Outcome, Response
from proxy.fetch import Fetch, offline
from proxy.state import Shared
from proxy.stores.protocol import Store

T = TypeVar("T")


class UpstreamHealth(Protocol):
    """What the health check of an upstream says of it."""

    @property
    def fails(self) -> bool:
        """It is not well; false where nobody knows yet."""
        ...

    @property
    def cause(self) -> str:
        """Of the last check that failed, in words for operators."""
        ...

    @property
    def numbers(self) -> Mapping[str, object]:
        """What was counted, and which threshold that crossed."""
        ...

    @property
    def seconds_left(self) -> float:
        """Until it can be well again, at the earliest."""
        ...


Report = Callable[[str, Mapping[str, object]], None]
"""Tell operators of a change in a policy's state: a sentence, and the numbers behind it."""


def unreported(text: str, numbers: Mapping[str, object]) -> None:
    """Where nobody listens: in rehearsals and tests."""


class InThread(Protocol):
    """Do work that takes milliseconds where it holds up no other request.

    Raises Busy, at once, where too much of it is waiting.
    """

    async def __call__(self, work: Callable[[], T]) -> T: ...


async def at_once(work: Callable[[], T]) -> T:
    """In rehearsals and tests, where nobody is held up."""
    return work()


class Vault(Protocol):
    """Keeps what others may not read from those who can read the store."""

    def put(self, plain: bytes, place: bytes) -> bytes:
        """What may be kept at `place`, and opens nowhere else."""
        ...

    def get(self, kept: bytes, place: bytes) -> bytes | None:
        """What was put there; None where nobody here has put it there."""
        ...


def unsealed() -> Vault | None:
    """Where no key is given, and where the store is in memory."""
    return None


@dataclass(frozen=True, slots=True)
class Services:
    """All that a policy may depend on. Handed in once, when it is built."""

    clock: Clock
    random: Random
    store: Store
    state: Shared
    name: str = "test"
    """Whose state it is: `rate_limit/per_client`, or `rate_limit/<route>` where defined inline."""
    ipv6_prefix: int = 64
    """Bits of an IPv6 address that tell one client from another (`clients.ipv6_prefix`)."""
    report: Report = unreported
    """For changes that operators want to know of, such as a breaker that opens; not for each request."""
    fetch: Fetch = offline
    """For keys and certificates from elsewhere."""
    in_thread: InThread = at_once
    """For slow hashes."""
    health: UpstreamHealth | None = None
    """Of the route's upstream, where the policy goes by it (`PolicyType.by_health`) and checks are made."""
    vault: Callable[[], Vault | None] = unsealed
    """For a constructor: how to seal what is kept in the store; None where it is kept as it is. Raises
    ValueError where the keys are wrong."""

    def shared(self, key: str, make: Callable[[], T]) -> T:
        """State of this policy's name that outlives a reload, by `key`; `make` makes the first."""
        return self.state.get(f"{self.name}#{key}", make)


Later = Callable[[], Awaitable[Response | None]]
"""The rest of an `on_request` that has to wait.

No coroutine yet: the exchange may be over before it is its turn."""


@runtime_checkable
class OnRequest(Protocol):
    """See the module's docstring, as for all hooks."""

    def on_request(self, exchange: Exchange) -> Response | Awaitable[Response | None] | Later | None: ...


@runtime_checkable
class Around(Protocol):
    """Own the call."""

    async def around(self, exchange: Exchange, forward: Forward) -> Response: ...


@runtime_checkable
class OnAttempt(Protocol):
    """Record one attempt."""

    def on_attempt(self, exchange: Exchange, attempt: Attempt) -> None: ...


@runtime_checkable
class OnResponse(Protocol):
    """Adjust the head of a response that leaves."""

    def on_response(self, exchange: Exchange, response: Response) -> None: ...


@runtime_checkable
class OnFinish(Protocol):
    """Release and record."""

    def on_finish(self, exchange: Exchange, outcome: Outcome) -> None: ...


MADE = ExchangeKey[Response | UpstreamError]("the call that was made")
"""What the first call came to, where `around` is entered only now, until `forward` gives it back."""

Policy = OnRequest | Around | OnAttempt | OnResponse | OnFinish


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks of one policy as the engine calls them; None for those that it lacks."""

    on_request: Callable[[Exchange], Any] | None = None
    around: Callable[[Exchange, Forward], Awaitable[Response]] | None = None
    on_attempt: Callable[[Exchange, Attempt], None] | None = None
    on_response: Callable[[Exchange, Response], None] | None = None
    on_finish: Callable[[Exchange, Outcome], None] | None = None
    late: frozenset[int] | None = None
    """Statuses of the upstream's answers that concern `around`; None: it is always entered first."""
    before_call: Callable[[Exchange], Any] | None = None
    """What `around` asks before each call, where that is all that it does before."""

    @classmethod
    def of(cls, policy: Policy) -> Hooks:
        """Those that `policy` offers."""
        return cls(**{hook: getattr(policy, hook, None) for hook in cls.__slots__ if hook != "before_call"})

    def at_each_call(self) -> Hooks:
        """The same, with `on_request` asked before each call that an `around` in front of it makes.

        Else it would be asked once, before the policy in front had its turn: before it waited,
        repeated, or answered without a call. Where nothing owns the call, `on_request` is cheaper.
        """
        ask = self.on_request
        if ask is None or self.around is not None or iscoroutinefunction(ask):
            return self

        async def around(exchange: Exchange, forward: Forward) -> Response:
            # Before a call that was made already, it was asked.
            answer = ask(exchange) if exchange.recall(MADE) is None else None
            if answer is not None and not isinstance(answer, Response):
                answer = await answer()
            return await forward(exchange) if answer is None else answer

        return replace(self, on_request=None, around=around, before_call=ask)


@dataclass(slots=True)
class Unsigned:
    """A request of a rehearsal (`seawall test`, `seawall explain`) that is to get valid credentials."""

    method: str
    target: str
    """Path and query, as sent."""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    now: float = 0.0
    """Seconds since the epoch, on the rehearsal's clock."""
    params: Mapping[str, str] = field(default_factory=dict)
    """What stands for each `{name}` in the path of the route."""


C = TypeVar("C", bound=PolicyConfig)


@dataclass(frozen=True, slots=True)
class PolicyType(Generic[C]):
    """One line of the table of contents: YAML key, schema, implementation."""

    name: str
    config: type[C]
    build: Callable[[C, Services], Policy]
    scalar: str | None = None
    """The field that a bare value stands for: `deadline: 30s` is `{total: 30s}`."""
    no_shadow: str = ""
    """Why `mode: shadow` and shares are refused at load, for a policy with nothing to report."""
    one: tuple[str, ...] = ()
    """Fields that must be the same wherever a named policy is used, since its state is shared."""
    each_call: bool = False
    """Its `on_request` is about one call of the upstream, not about the request: behind a policy that
    owns the call, it is asked before each (`Hooks.at_each_call`)."""
    by_health: Callable[[C], bool] | None = None
    """Whether, by these settings, it goes by the health check of the upstream. It is then of one upstream."""
    together: Callable[[Sequence[Any]], Policy] | None = None
    """Makes one policy of several that are enforced on a route, where they must decide as one.

    For policies whose hooks are `on_request`, a plain function, and `on_response`.
    """
    sign: Callable[[C, Unsigned, Mapping[str, str]], None] | None = None
    """Give a request what this policy wants to see, in a rehearsal.

    The mapping is `test_secrets.credentials` of the files: what a client shows, by id. Raises
    ValueError, in words for the operator, where that is not enough.
    """
    rehearsed: Callable[[C, Mapping[str, str]], C] | None = None
    """The same policy for a rehearsal: of each of these credentials that it knows by its hash alone,
    the hash is that of the test's credential."""


AnyPolicyType = PolicyType[Any]
