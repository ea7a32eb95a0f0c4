"""Let each message through once, however often it is sent.

```yaml
replay_guard: {key: [body.sha256], ttl: 24h, on_duplicate: ack}
```

Signed messages can be sent again by whoever has seen one, and providers send them again by
themselves. What `key` says of a message is remembered for `ttl` once the upstream has answered with a
2xx; any other answer, or none, is forgotten at once, so that a provider's next try gets through.

**What to remember.** Bytes that the sender signed, since who replays a message can change all others:

- `body.sha256`, where the body is signed (all schemes of `webhook_signature` but `token`);
- `signature`: the digest that `webhook_signature` verified, in whatever spelling. A provider that signs
  the time anew with each try is not recognised by it, but anybody else who replays is;
- `body:/id`: an id in the signed body;
- `header:webhook-id`: an id in a header that the signature covers, as with `standard-webhooks` and `svix`.

Ids in headers that nobody signed (`X-GitHub-Delivery`, `X-Shopify-Webhook-Id`) protect from nothing:
one that is changed makes another message, also in a key with other facts. `route.name` and `auth.id`
may stand beside; facts that a replay can change are refused at load.

Two messages with the same bytes are one: if a provider may send the same body twice and mean it,
remember an id.

**What the client sees.** A duplicate gets `200` without a call of the upstream (`on_duplicate: ack`, which
is right for webhooks, where duplicates are the provider's own), or `409` (`refuse`). While the first is
under way, a duplicate gets `409` with `Retry-After` either way, as nobody knows yet what becomes of
it. A request without what `key` asks for gets `400`. `errors.templates` gives each another body.

**State.** For each message its key and a word, by the policy's name: on several routes a named policy
remembers together, and a reload keeps it. The memory store holds 100,000 keys or 64 MiB of all
policies together, and a restart forgets them; with `--store sqlite:///path` they survive it, and with
`--store redis://host` all replicas remember together. Nothing is forgotten to make room, since that would
let a duplicate pass. Where the store is full or out of reach, `when_store_fails` says what happens: `refuse`
with `503` and `Retry-After`; `allow` it to pass unguarded; or `local`: go on in memory, where each replica
knows only what came to it, and remembers that when the store is back. So a message that is replayed to
another replica meanwhile, or afterwards, passes once more, and with the memory store `local` is
`refuse`: where a replay does harm, leave it at `refuse`. A message that is under way is
remembered for `pending_for` at most, so that a crash doesn't shut it out; make that longer than a
request can take. Where the store fails after the upstream has answered, it stays under way until then.

**In shadow.** With state of its own. Facts of the body are only known where another policy that is
enforced reads it.

**Hardened against.** Messages replayed side by side (one claim wins, in one step); signatures in
another spelling; keys of any length, made of what clients send; answers that break off: what
counts is that the upstream answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from msgspec import Meta

from proxy.config import keys
from proxy.config.keys import Key
from proxy.config.schema import PolicyConfig
from proxy.config.spelling import spelled
from proxy.config.units import Duration
from proxy.errors import Rejection, StoreError
from proxy.exchange import Exchange, Forward, Response
from proxy.policies.claims import Claim, Claims, WhenStoreFails
from proxy.policies.keys import needs_body, reader, shown
from proxy.policy import Services

ACKNOWLEDGED = (200, "replay_guard.acknowledged", "This was received before: nothing was done again.")
DUPLICATE = (409, "replay_guard.duplicate", "This was received before.")
PENDING = (409, "replay_guard.pending", "This was received before, and is still being worked on.")
KEY_MISSING = (400, "replay_guard.key_missing", "The request lacks what tells it from others.")
UNAVAILABLE = (503, "replay_guard.unavailable", "It cannot be told now whether this was received before.")

REASONS = (ACKNOWLEDGED, DUPLICATE, PENDING, KEY_MISSING, UNAVAILABLE)

_SIGNED = ("signature", "body", "body.sha256", "header")
_BESIDE = ("route.name", "auth.id")
_DONE = b"done"
_RETRY_AFTER = 5.0


class ReplayGuardConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    key: Annotated[
        tuple[Key, ...],
        Meta(
            min_length=1,
            max_length=8,
            description="What makes a message the same; several facts are one key.",
        ),
    ]
    ttl: Annotated[Duration, Meta(gt=0, description="For how long it is remembered.")] = Duration(86400)
    on_duplicate: Annotated[
        Literal["ack", "refuse"],
        Meta(description="Duplicates: `ack` with 200 without calling the upstream, or `refuse` with 409."),
    ] = "ack"
    pending_for: Annotated[
        Duration, Meta(gt=0, description="For how long a message counts as being worked on, at most.")
    ] = Duration(300)
    when_store_fails: WhenStoreFails = "refuse"

    def check(self) -> Iterator[tuple[str, str]]:
        """A key that a replay can't change."""
        yield from keys.problems(self.key, "checks")
        for index, key in enumerate(self.key):
            if key.fact not in _SIGNED + _BESIDE:
                expected = "expected what the sender signed, such as signature or body.sha256"
                yield f"key[{index}]", f"{key} says nothing of a message, or can be changed; {expected}"
        if all(key.fact in _BESIDE for key in self.key):
            yield "key", "all messages would be one; expected what the sender signed, such as body.sha256"

    def in_words(self) -> Sequence[str]:
        """How often, and for how long."""
        return (f"at most one answered with 2xx in {spelled(self.ttl)}, {keys.in_words(self.key)}",)


class ReplayGuard:
    """See the module's docstring."""

    def __init__(self, config: ReplayGuardConfig, services: Services) -> None:
        self._claims = Claims(services, config.when_store_fails)
        self._random = services.random
        self._name = services.name
        self._keys = config.key
        self._needs_body = needs_body(config.key)
        self._read = reader(config.key, services.ipv6_prefix)
        self._ttl = config.ttl
        self._pending_for = config.pending_for
        self._acks = config.on_duplicate == "ack"
        self._allows_unguarded = config.when_store_fails == "allow"

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        body = await exchange.body() if self._needs_body else b""
        said = self._read(exchange, body)
        if said is None:
            facts = {"key": shown(self._keys, exchange, body)}
            raise Rejection(*KEY_MISSING, facts=facts, policy=self._name)
        key, mine = f"{self._name}:{said}", self._random.randbytes(16)
        try:
            claim = await self._claims.claim(key, mine, self._pending_for)
        except StoreError as error:
            if self._allows_unguarded:
                return await forward(exchange)
            raise self._unavailable(error) from None
        if claim.standing is not None:
            raise self._refusal(claim.standing, exchange, body)
        return await self._once(exchange, forward, claim, key, mine)

    async def _once(
        self, exchange: Exchange, forward: Forward, claim: Claim, key: str, mine: bytes
    ) -> Response:
        answered = False
        try:
            response = await forward(exchange)
            answered = 200 <= response.status < 300
        finally:
            # Also when the client has left: it is not known to have been done.
            await self._claims.settle(claim, key, mine, _DONE, self._ttl if answered else 0)
        return response

    def _refusal(self, standing: bytes, exchange: Exchange, body: bytes) -> Rejection:
        facts = {"key": shown(self._keys, exchange, body), "ttl": spelled(self._ttl)}
        if standing != _DONE:
            return Rejection(*PENDING, retry_after=_RETRY_AFTER, facts=facts, policy=self._name)
        if self._acks:
            return Rejection(*ACKNOWLEDGED, facts=facts, policy=self._name)
        return Rejection(*DUPLICATE, facts=facts, policy=self._name)

    def _unavailable(self, error: StoreError) -> Rejection:
        return Rejection(*UNAVAILABLE, retry_after=_RETRY_AFTER, cause=str(error), policy=self._name)
