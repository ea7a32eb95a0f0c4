"""Let only those events through that the application handles.

```yaml
event_filter: {header: X-GitHub-Event, allow: [push, pull_request], on_other: ack}
```

Which event it is stands in a header, or at a JSON pointer (RFC 6901) in the body: `field:
/type`. A number or a boolean there counts as its JSON text. Names are compared as they are,
with regard to case.

Providers send more kinds of events than anybody asked for, and new ones without notice. With
`on_other: ack` they are told that all is well, and nothing is done; with `refuse` the provider
learns of it, and may try again or switch the webhook off.

This policy runs after the sender is known: an acknowledgement is for those who are entitled to it.

**What the client sees.** `422` for an event that is not on the list, or with `on_other: ack`
`200`, without a call of the upstream; `errors.templates` gives that answer another body. A
request that doesn't say which event it is gets `422` either way, since nobody can tell that it is
unwanted: without the header or with two of them, with a body that is not JSON, or without a text,
a number or a boolean at `field`. Acknowledged events are counted and have a decision, as
refused ones do.

**State.** None, and nothing that could fail. With `field` the body is read, up to `size_limit`
or `--max-body`.

**In shadow.** With `field`, only where another policy that is enforced reads the body.

**Hardened against.** Bodies that two parsers read in two ways (a key that stands twice, `NaN`, a
lone surrogate, what is not UTF-8); deep and crowded ones: more than 100 levels, or 100,000 keys
and list entries, are not looked at, and others have their turn in between; other spellings of the
header that CGI can't tell from it (`X_GitHub_Event`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from proxy.algorithms.strict_json import NotStrict, Structure, at
from proxy.config.patterns import JsonPointer
from proxy.config.schema import PolicyConfig
from proxy.config.spelling import listed
from proxy.config.units import HeaderName
from proxy.errors import Change, Rejection
from proxy.exchange import Exchange
from proxy.policies.json_body import json_in
from proxy.policies.lookalikes import lookalikes, too_many_dashes
from proxy.policy import Services

REFUSED = (422, "event_filter.refused", "This service does not take events of this kind.")
UNCLEAR = (422, "event_filter.unclear", "The request does not say, once and clearly, which event it is.")
ACKNOWLEDGED = (200, "event_filter.acknowledged", "Events of this kind are not used here: nothing was done.")

REASONS = (REFUSED, UNCLEAR, ACKNOWLEDGED)

_MAX_DEPTH = 100
_MAX_KEYS = 100_000
_LONGEST = 256

EventName = Annotated[str, Meta(min_length=1, max_length=_LONGEST)]


class EventFilterConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    header: Annotated[HeaderName | None, Meta(description="The header that names the event.")] = None
    field: Annotated[
        JsonPointer | None, Meta(description="JSON pointer to the event's name in the body, such as `/type`.")
    ] = None
    allow: Annotated[tuple[EventName, ...], Meta(min_length=1, description="Events that go through.")]
    on_other: Annotated[
        Literal["refuse", "ack"],
        Meta(description="Other events: `refuse` with 422, or `ack` with 200 without calling the upstream."),
    ] = "refuse"

    def check(self) -> Iterator[tuple[str, str]]:
        """The event's name stands in one place."""
        if self.header is None and self.field is None:
            yield "", "nothing says where the event's name stands; expected `header` or `field`"
        if self.header is not None and self.field is not None:
            yield "field", "an event's name stands in one place; expected `header` or `field`"
        if self.header is not None and (wrong := too_many_dashes(self.header)):
            yield "header", wrong

    def in_words(self) -> Sequence[str]:
        """Which events go through, and what becomes of others."""
        others = "others are answered with 200 here" if self.on_other == "ack" else "others are refused"
        return (f"only {listed(self.allow)} by {self.header or self.field} go through", others)


class EventFilter:
    """See the module's docstring."""

    def __init__(self, config: EventFilterConfig, services: Services) -> None:
        self._name = services.name
        self._clock = services.clock
        self._header = config.header
        self._lookalikes = lookalikes(config.header) if config.header else frozenset()
        self._field = config.field or ""
        self._allow = frozenset(config.allow)
        self._acks = config.on_other == "ack"

    async def on_request(self, exchange: Exchange) -> None:
        if self._header is not None:
            exchange.request.headers.drop(self._lookalikes)
            event = self._named(exchange.request.headers.get_all(self._header))
        else:
            event = await self._told(await exchange.body())
        if event not in self._allow:
            raise self._refusal(event)

    def _refusal(self, event: str) -> Rejection:
        facts = {"event": event}
        listable = 0 < len(event) <= _LONGEST and event.isprintable()
        change = Change("allow", event, "add") if listable else None
        if self._acks:
            return Rejection(*ACKNOWLEDGED, facts=facts, change=change, policy=self._name)
        return Rejection(*REFUSED, facts=facts, change=change, policy=self._name)

    def _named(self, values: list[str]) -> str:
        if len(values) != 1:
            raise self._unclear(f"{len(values)} headers name it")
        return values[0]

    async def _told(self, body: bytes) -> str:
        try:
            document = await json_in(body, self._clock, Structure(_MAX_DEPTH, _MAX_KEYS))
            return self._text(at(document, self._field))
        except NotStrict as error:
            raise self._unclear(f"the body: {error}") from None
        except KeyError:
            raise self._unclear(f"nothing stands at {self._field}") from None

    def _text(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, bool | int | float):
            return msgspec.json.encode(value).decode()
        raise self._unclear(f"no text, number or boolean stands at {self._field or 'the root'}")

    def _unclear(self, cause: str) -> Rejection:
        return Rejection(*UNCLEAR, cause=cause, policy=self._name)
