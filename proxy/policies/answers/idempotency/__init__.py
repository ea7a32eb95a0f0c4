"""Have each request worked on once, and give those that repeat it the same answer.

```yaml
idempotency: {key: ["header:Idempotency-Key"], ttl: 24h}
```

A client that has got no answer asks again, and so does a webhook's sender; an application that knows
nothing of it books twice. With a key, the first request goes through and its answer is kept for
`ttl`; a request that says the same key is given that answer, and the upstream is not called.

**By a header**, as draft-ietf-httpapi-idempotency-key-header has it: clients make up a key for each thing
that they want done, and send it again with every try. A key may stand in quotes or not. With
`required`, requests without one get `400`; else they pass as if nothing stood here. Who says a known
key and asks for something else (another method, path or body: `fingerprint`) gets `422`.

**By the body**, for senders that know nothing of keys:

```yaml
idempotency:
  key: [route.name, "body:/external_source", "body:/external_id"]
  on_duplicate:
    respond: {status: 200, json: {status: already_exists, ticket_id: "{{ stored.body.ticket_id }}"}}
```

Here nothing else has to be the same, unless `fingerprint` says so, and duplicates are answered in your
words, made of the first answer: `{{ stored.status }}`, and places in its JSON body.

**Whose key it is.** The same key of another caller is another key: a caller is who a policy before has
proved it to be, or where none has, what stands in `Authorization` and `Cookie`; `scope` says otherwise.

**What is kept.** Answers of the upstream with a status in `status`: all below 500 but 408, 425 and 429,
which say that nothing was done; with `respond`, only 2xx. Not what policies behind this one answer or
refuse. The answer is kept before its first byte is sent, with its header fields. Of one larger than
`max_answer` only that it was done is kept: who repeats the request gets `409`, and nothing is done twice.

**What the client sees.** A repetition has the header `Idempotent-Replayed: true`. While the first is under
way, a repetition gets `409` with `Retry-After`, or waits for its answer (`on_in_flight: wait`), as long
as `deadline` and `pending_for` let it.

**Where nobody knows what became of the first**: the upstream broke off or took too long, or the client
left, upon which its call is given up. Then the key is forgotten, so that the next try gets through, and the
upstream may see the request twice; with `on_unknown: hold` it stays under way until `pending_for` is
over. So does a request that was under way when this process died, with either setting: with a store that
outlives it, repetitions get `409` until then, and the next one after that gets through.

**State.** An answer for each key, by the policy's name: a reload keeps it, and several routes with a
named policy remember together. The memory store holds 100,000 keys or 64 MiB of all policies together,
and a restart forgets them; with `--store sqlite:///path` they survive it, and with `--store redis://host` all
replicas remember together. Nothing is forgotten to make room.

**Sealed.** In sqlite and redis, answers (status, header fields, body) are encrypted with the first key of
`SEAWALL_SEAL_KEY` or `--seal-key-file`, where one is given, and open with any of them, for their key and
request only. Put a new key before the old one and keep that for `ttl`: of an answer that no key opens, or
that stands there in the clear, only that it was done is known. Never encrypted are the hashes of
keys, callers and requests, by which repetitions are found, and how long an answer is.

**Without the store.** Where it is out of reach or full, `when_store_fails` says what happens: `refuse`
with `503`; `allow` the request to pass unguarded; or `local`: go on in memory, where each replica knows
only what it has been asked itself, and remembers that when the store is back. So a repetition that comes
to another replica meanwhile, or afterwards, is done again; with the memory store `local` is `refuse`.

**In shadow.** With state of its own, which learns that requests were done, but keeps no answers: what
it would have answered is reported. Facts of the body are known where an enforced policy reads it.

**Hardened against.** Repetitions side by side (one claim wins, in one step); keys of any length, made up by
clients; keys of others; answers that are too large; a store that fails between claim and answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from msgspec import Meta

from proxy.config import keys
from proxy.config.keys import Key
from proxy.config.schema import PolicyConfig
from proxy.config.spelling import spelled
from proxy.config.units import Duration, Size, StatusSet
from proxy.errors import Rejection, StoreError, UpstreamError
from proxy.exchange import Exchange, Forward, Response
from proxy.policies.answers.idempotency.record import Open, Record, Seal, answered, done, pending
from proxy.policies.answers.idempotency.respond import OnDuplicateConfig, Words
from proxy.policies.answers.idempotency.sameness import Part, Sameness
from proxy.policies.claims import Claim, Claims, WhenStoreFails
from proxy.policies.keys import shown
from proxy.policy import Services

REPLAYED = (200, "idempotency.replayed", "This was done before: the answer of then is given again.")
IN_FLIGHT = (409, "idempotency.in_flight", "This was asked before, and is still being worked on.")
NOT_KEPT = (409, "idempotency.answer_not_kept", "This was done before, and its answer was not kept.")
REUSED = (422, "idempotency.key_reused", "This key was used before, for another request.")
KEY_MISSING = (400, "idempotency.key_missing", "The request lacks the key that tells it from others.")
UNAVAILABLE = (503, "idempotency.unavailable", "It cannot be told now whether this was done before.")

REASONS = (REPLAYED, IN_FLIGHT, NOT_KEPT, REUSED, KEY_MISSING, UNAVAILABLE)

_RETRY_AFTER = 5.0
_FIRST_LOOK, _LAST_LOOK = 0.02, 0.5
"""Seconds between two looks at the store, growing, while a repetition waits."""
_FROM_THE_CLIENT = ("header", "cookie", "query")
_NO_ROOM = "buffers.full"
_ANSWERS = StatusSet(set(range(200, 500)) - {408, 425, 429})
_DONE = StatusSet(range(200, 300))

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class IdempotencyConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    key: Annotated[
        tuple[Key, ...],
        Meta(
            min_length=1,
            max_length=8,
            description="What makes a request the same; several facts are one key.",
        ),
    ]
    required: Annotated[bool, Meta(description="Refuse requests without the key; else they just pass.")] = (
        False
    )
    methods: Annotated[
        tuple[Method, ...],
        Meta(min_length=1, description="Requests with others pass as if nothing stood here."),
    ] = ("POST", "PATCH")
    scope: Annotated[
        tuple[Key, ...] | None,
        Meta(
            max_length=8,
            description="What tells callers apart, each with keys of their own; may be missing. Where "
            "absent: `auth.id`, or for requests without it `header:Authorization` and `header:Cookie`.",
        ),
    ] = None
    fingerprint: Annotated[
        tuple[Part, ...] | None,
        Meta(
            description="What must be the same in a repetition: `method`, `path` (with the query), `body`. "
            "Where absent: all of them for keys that clients make up, nothing for keys in the body."
        ),
    ] = None
    ttl: Annotated[Duration, Meta(gt=0, description="For how long an answer is kept.")] = Duration(86400)
    status: Annotated[
        StatusSet | None,
        Meta(
            description="Statuses of answers that are kept; others are forgotten at once. Where absent: all "
            "below 500 but 408, 425 and 429 with `replay`, those from 200 to 299 with `respond`."
        ),
    ] = None
    max_answer: Annotated[Size, Meta(description="The largest body of an answer that is kept.")] = Size(
        256 * 1024
    )
    on_duplicate: Annotated[
        Literal["replay"] | OnDuplicateConfig,
        Meta(description="What a repetition gets: `replay`, the first answer; or `respond`, one made of it."),
    ] = "replay"
    on_in_flight: Annotated[
        Literal["refuse", "wait"],
        Meta(description="While the first is under way: `refuse` with 409, or `wait` for its answer."),
    ] = "refuse"
    on_unknown: Annotated[
        Literal["forget", "hold"],
        Meta(description="Where the first got no answer: `forget` it, or `hold` it for `pending_for`."),
    ] = "forget"
    pending_for: Annotated[
        Duration, Meta(gt=0, description="For how long a request counts as being worked on, at most.")
    ] = Duration(300)
    when_store_fails: WhenStoreFails = "refuse"

    def check(self) -> Iterator[tuple[str, str]]:
        """Keys that can be known, and statuses that are answers."""
        yield from keys.problems(self.key, "answers")
        for path, text in keys.problems(self.scope or (), "answers"):
            yield path.replace("key", "scope", 1), text
        if all(
            key.fact in ("route.name", "constant", "auth.id", "client.ip", "client.net") for key in self.key
        ):
            expected = "expected what tells one from another, such as header:Idempotency-Key or body:/id"
            yield "key", f"all requests of a caller would be one; {expected}"
        odd = sorted(status for status in self.kept if status < 200)
        if odd:
            yield "status", f"{odd[0]} is no answer that could be kept; expected 200 to 599"

    def asked(self) -> Iterator[tuple[str, Key]]:
        """Facts of the request."""
        for name, asked in (("key", self.key), ("scope", self.scope or ())):
            yield from ((f"{name}[{index}]", key) for index, key in enumerate(asked))

    @property
    def kept(self) -> StatusSet:
        """`status`, or what it is where absent."""
        return self.status or (_ANSWERS if self.on_duplicate == "replay" else _DONE)

    @property
    def compared(self) -> tuple[Part, ...]:
        """`fingerprint`, or what it is where absent."""
        if self.fingerprint is not None:
            return self.fingerprint
        made_up = any(key.fact in _FROM_THE_CLIENT for key in self.key)
        return ("method", "path", "body") if made_up else ()

    def in_words(self) -> Sequence[str]:
        """How often, and for how long."""
        return (f"at most one answered in {spelled(self.ttl)}, {keys.in_words(self.key)}",)


class Idempotency:
    """See the module's docstring."""

    def __init__(self, config: IdempotencyConfig, services: Services) -> None:
        self._config = config
        self._claims = Claims(services, config.when_store_fails)
        vault = services.vault()
        self._seal: Seal = vault.put if vault is not None else _as_it_is
        self._unseal: Open = vault.get if vault is not None else _as_it_is
        self._clock = services.clock
        self._random = services.random
        self._name = services.name
        self._methods = frozenset(config.methods)
        self._same = Sameness(config.key, config.scope, config.compared, services)
        self._statuses = config.kept
        self._words = None if config.on_duplicate == "replay" else Words(config.on_duplicate.respond)

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        if exchange.request.method not in self._methods:
            return await forward(exchange)
        body = await exchange.body() if self._same.needs_body else b""
        key = self._same.key(exchange, body)
        if key is None:
            if self._config.required:
                raise Rejection(*KEY_MISSING, facts=self._facts(exchange, body), policy=self._name)
            return await forward(exchange)
        digest = self._same.fingerprint(exchange, body)
        mine = pending(self._random.randbytes(16), digest)
        try:
            claim = await self._first_or_standing(key, mine, digest)
        except StoreError as error:
            if self._config.when_store_fails == "allow":
                return await forward(exchange)
            raise self._unavailable(error) from None
        if claim.standing is None:
            return await self._once(exchange, forward, claim, key, mine)
        return self._again(exchange, body, Record.read(claim.standing, key, self._unseal), digest)

    async def _first_or_standing(self, key: str, mine: bytes, digest: bytes) -> Claim:
        """Who is the first; else what stands there, once that is an answer where we wait for it."""
        pause = _FIRST_LOOK
        while True:
            claim = await self._claims.claim(key, mine, self._config.pending_for)
            if claim.standing is None or self._config.on_in_flight == "refuse":
                return claim
            record = Record.read(claim.standing, key, self._unseal)
            if not record.pending or record.digest != digest:
                return claim
            await self._clock.sleep(pause)
            pause = min(2 * pause, _LAST_LOOK)

    async def _once(
        self, exchange: Exchange, forward: Forward, claim: Claim, key: str, mine: bytes
    ) -> Response:
        digest, known, word = mine[-32:], False, b""
        try:
            response = await forward(exchange)
            word = await self._word(exchange, response, key, digest)
            known = True
        except Rejection as error:
            known = _nothing_done(error, exchange)
            raise
        else:
            return response
        finally:
            # Also where the client has left, upon which its call is given up.
            ttl = self._config.ttl if word else 0
            if known or self._config.on_unknown == "forget":
                await self._claims.settle(claim, key, mine, word, ttl)

    async def _word(self, exchange: Exchange, response: Response, key: str, digest: bytes) -> bytes:
        """What to remember of it; empty where it is to be forgotten."""
        if not response.from_upstream or response.status not in self._statuses:
            return b""
        body = None if exchange.in_shadow else await self._body(response)
        return done(digest) if body is None else answered(key, digest, response, body, self._seal)

    async def _body(self, response: Response) -> bytes | None:
        """None where it is too large to be kept; it streams on."""
        try:
            return await response.body(self._config.max_answer)
        except Rejection as rejection:
            if rejection.reason != _NO_ROOM:
                raise
            return None  # not a failure of the request, which was done

    def _again(self, exchange: Exchange, body: bytes, record: Record, digest: bytes) -> Response:
        """The answer to a repetition; raises Rejection where it is a refusal."""
        facts, name = self._facts(exchange, body), self._name
        if record.digest != digest:
            raise Rejection(*REUSED, facts=facts, policy=name)
        if record.pending:
            raise Rejection(*IN_FLIGHT, retry_after=_RETRY_AFTER, facts=facts, policy=name)
        replayed = Rejection(*REPLAYED, facts=facts, policy=name)
        if exchange.in_shadow:
            raise replayed
        if self._words is not None:
            response = self._words.about(record.kept)
        elif record.kept is not None:
            response = record.kept.response()
        else:
            raise Rejection(*NOT_KEPT, facts=facts, policy=name)
        response.headers.set("Idempotent-Replayed", "true")
        exchange.refusal = replayed  # why it is not the upstream's answer
        return response

    def _facts(self, exchange: Exchange, body: bytes) -> dict[str, object]:
        return {"key": shown(self._config.key, exchange, body), "ttl": spelled(self._config.ttl)}

    def _unavailable(self, error: StoreError) -> Rejection:
        return Rejection(*UNAVAILABLE, retry_after=_RETRY_AFTER, cause=str(error), policy=self._name)


def _nothing_done(error: Rejection, exchange: Exchange) -> bool:
    """The upstream has not seen the request: it was refused before, or no byte was sent."""
    return error.nothing_sent if isinstance(error, UpstreamError) else exchange.attempts == 0


def _as_it_is(data: bytes, _: bytes) -> bytes:
    return data
