"""Admit only requests that are signed by RFC 9421, HTTP Message Signatures.

```yaml
message_signature:
  keys:
    acme-2024:
      algorithm: ed25519
      public_key: |
        -----BEGIN PUBLIC KEY-----
        MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
        -----END PUBLIC KEY-----
    globex: {algorithm: hmac-sha256, secret: {env: GLOBEX_SIGNING_SECRET}}
  components: ["@method", "@target-uri"]
  max_age: 5m
```

`keys` are by the `keyid` of a signature. Each has one algorithm, and a signature that names
another (`alg`) is refused: `hmac-sha256` with a shared `secret`, and with a `public_key`, which
may stand in the file or be `{file: acme.pem}`, `ed25519`, `ecdsa-p256-sha256`, `ecdsa-p384-sha384`,
`rsa-pss-sha512` and `rsa-v1_5-sha256`.

**What has to be signed.** `components` must all be covered: names of headers, and of what is
derived from the request (`@method`, `@target-uri`, `@authority`, `@scheme`, `@request-target`, `@path`,
`@query`). Where `@target-uri` is covered, so are those that it is made of; `@query` has to be
covered only where there is one, and an empty one (`/a?`) only by `@target-uri` or `@request-target`,
since `@query` reads the same without the question mark. More may be covered, `@query-param` and
fields with `bs`, `key` or, where the type of the field is known here, `sf` among it. `req`, `tr` and
`@status` belong to responses and trailers and are refused.

**The body** is vouched for by `Content-Digest` (RFC 9530, `sha-256` or `sha-512`), which must be
covered where there is a body, and must be right wherever it is covered: every digest in it
that is known here. With `digest: if_covered` a signature may leave the body out.

**Time.** `created` must be there, and at most `max_age` ago; `expires`, where it is there, in the
future. Clocks may differ by `leeway`. Within `max_age` a signature can be sent again: put
`replay_guard: {key: [signature], ttl: 10m}` behind, with a `ttl` longer than `max_age` and twice
`leeway` together; its `signature` is made from what was signed, `nonce` included, which can be `required`.

**Several signatures.** Each has a label. One that is right is enough; `label` or `tag` say which
are looked at. At most four are tried.

**Behind a proxy** that changes scheme, host or path, `public_url` says how the URL begins that
clients use. Without it `Host` counts, and whether the client came by https (`clients.trusted_proxies`).

**Who the caller is.** The `keyid`, where nobody before has said it.

**What the client sees.** `401` with `WWW-Authenticate: Signature`. The reason tells a request without a
signature, one that has expired, and any other; what was wrong is in the log and in the decision only.

**State.** None, and nothing that could fail.

**Hardened against.** Signatures that cover too little; an algorithm of the sender's choice; fields
that can be read in two ways (structured fields are read strictly, keys and components that stand
twice are refused, and so are hosts that do, and targets that are no path); values that pose as
other components; digests that nobody signed; signed headers that `Connection` takes out on the
way; guessing by time; headers of any length (8 KiB are looked at); bodies that are read before
their signature is verified; large bodies that hold up others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from math import ceil
from typing import Annotated, Literal

from msgspec import Meta

from proxy.algorithms.structured_fields import InnerList, Item, Malformed, Member, dictionary
from proxy.config.schema import PolicyConfig
from proxy.config.spelling import spelled
from proxy.config.units import Duration
from proxy.errors import Change, Rejection
from proxy.exchange import Exchange, Identity
from proxy.policies.authenticator import settle
from proxy.policies.identity.message_signature.components import (
    Component,
    Message,
    NotAsAgreed,
    components_of,
    message,
    signature_base,
    uncovered,
)
from proxy.policies.identity.message_signature.digest import agrees, stated
from proxy.policies.identity.message_signature.keys import KeyConfig, verifier
from proxy.policies.identity.message_signature.names import ComponentName, KeyId, Label
from proxy.policies.keys import SIGNATURE
from proxy.policies.public_url import PublicUrl
from proxy.policy import Services

_NOT_SIGNED = "The request is not signed in the way that this service expects."
MISSING = (401, "message_signature.missing", "This service wants a signature (RFC 9421).")
INVALID = (401, "message_signature.invalid", _NOT_SIGNED)
EXPIRED = (401, "message_signature.expired", _NOT_SIGNED)

REASONS = (MISSING, INVALID, EXPIRED)

_LONGEST = 8192
_MOST_LABELS = 4
_DIGEST = "content-digest"
_USUAL = tuple(map(ComponentName, ("@method", "@authority", "@path", "@query")))
_TYPES = {"created": int, "expires": int, "nonce": str, "alg": str, "keyid": str, "tag": str}


class MessageSignatureConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    keys: Annotated[dict[KeyId, KeyConfig], Meta(description="`keyid` of a signature -> its key.")]
    components: Annotated[
        tuple[ComponentName, ...],
        Meta(min_length=1, max_length=32, description="What a signature has to cover, beside the body."),
    ] = _USUAL
    digest: Annotated[
        Literal["required", "if_covered"],
        Meta(description="Whether a body must be covered by Content-Digest; if it is, it must be right."),
    ] = "required"
    max_age: Annotated[Duration, Meta(gt=0, description="How long ago a signature may have been made.")] = (
        Duration(300)
    )
    leeway: Annotated[Duration, Meta(description="How far the clocks may differ.")] = Duration(30)
    nonce: Annotated[
        Literal["optional", "required"], Meta(description="Whether each signature must have a nonce.")
    ] = "optional"
    label: Annotated[Label | None, Meta(description="Look at the signature with this label only.")] = None
    tag: Annotated[
        str | None,
        Meta(min_length=1, max_length=256, description="Look at signatures with this tag only."),
    ] = None
    public_url: Annotated[
        PublicUrl | None, Meta(description="How the URL begins that clients use, where that differs.")
    ] = None

    def check(self) -> Iterator[tuple[str, str]]:
        """There are keys."""
        if not self.keys:
            yield "keys", "nobody has a key; expected at least one"

    def in_words(self) -> tuple[str, ...]:
        """For how long a signature is good."""
        return (f"a signature is good for {spelled(self.max_age)} after it was made",)


class MessageSignature:
    """See the module's docstring."""

    def __init__(self, config: MessageSignatureConfig, services: Services) -> None:
        self._config = config
        self._clock = services.clock
        self._keys = {str(id_): (key.algorithm, verifier(key)) for id_, key in config.keys.items()}
        self.challenge = [("WWW-Authenticate", "Signature")]
        """What a client is told that is not signed as it should be."""

    async def on_request(self, exchange: Exchange) -> None:
        settle(exchange, await self.identify(exchange), MISSING, self.challenge)

    async def identify(self, exchange: Exchange) -> Identity | None:
        """Who signed the request; None where nobody did. Raises Rejection where it is signed wrongly."""
        fields = [
            (name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
            for name, value in exchange.request.headers.received
        ]
        try:
            candidates = self._candidates(fields)
            if not candidates:
                return None
            request = exchange.request
            asked = message(
                request.method,
                request.target,
                fields,
                secure=request.secure,
                public_url=self._config.public_url,
            )
            return await self._first_right(exchange, asked, candidates)
        except NotAsAgreed as error:
            raise Rejection(*INVALID, headers=self.challenge, cause=str(error)) from None

    def _candidates(self, fields: Sequence[tuple[str, str]]) -> Sequence[tuple[InnerList, bytes]]:
        """What was signed, and the signature, of those that are to be looked at."""
        inputs = [value for name, value in fields if name.lower() == "signature-input"]
        if not inputs:
            return ()
        signed = _members(inputs, "Signature-Input")
        made = _members([value for name, value in fields if name.lower() == "signature"], "Signature")
        label, tag = self._config.label, self._config.tag
        found = []
        for name, member in signed.items():
            if not isinstance(member, InnerList):
                raise NotAsAgreed("a member of Signature-Input is no list of components")
            if label in (None, name) and tag in (None, member.parameters.get("tag")):
                found.append((member, _bytes(made.get(name))))
        if len(found) > _MOST_LABELS:
            raise NotAsAgreed(f"there are more than {_MOST_LABELS} signatures")
        return found

    async def _first_right(
        self, exchange: Exchange, asked: Message, candidates: Sequence[tuple[InnerList, bytes]]
    ) -> Identity:
        wrong: Exception | None = None
        for signed, signature in candidates:
            try:
                return await self._verify(exchange, asked, signed, signature)
            except NotAsAgreed as error:
                wrong = wrong or error
            except Rejection as error:
                if error.reason != EXPIRED[1]:  # the body is too large, or there is no room for it
                    raise
                wrong = wrong or error
        assert wrong is not None  # noqa: S101  # there is a candidate
        raise wrong

    async def _verify(
        self, exchange: Exchange, asked: Message, signed: InnerList, signature: bytes
    ) -> Identity:
        keyid = self._checked(signed)
        covered = components_of(signed)
        missing = uncovered(self._config.components, covered, asked)
        if missing:
            raise NotAsAgreed(f"{', '.join(missing)} is not covered")
        base = signature_base(asked, covered, signed)
        if not self._keys[keyid][1](signature, base):
            raise NotAsAgreed(f"the signature is not one of the key {keyid}")
        self._verify_time(signed)  # whoever has no key does not learn what was wrong with a time
        await self._verify_body(exchange, asked, covered)
        # Not of the signature: some algorithms make many for one text.
        exchange.remember(SIGNATURE, sha256(base).hexdigest())
        return Identity(keyid, "message_signature")

    def _checked(self, signed: InnerList) -> str:
        """The id of the key; all parameters are of their types, and agree with it."""
        parameters = signed.parameters
        for name, kind in _TYPES.items():
            if name in parameters and type(parameters[name]) is not kind:
                raise NotAsAgreed(f"the parameter {name} is of another type")
        for name in ("keyid", "created", *(["nonce"] if self._config.nonce == "required" else [])):
            if name not in parameters:
                raise NotAsAgreed(f"the parameter {name} is missing")
        keyid = str(parameters["keyid"])
        if keyid not in self._keys:
            raise NotAsAgreed("no key has this keyid")
        if parameters.get("alg", self._keys[keyid][0]) != self._keys[keyid][0]:
            raise NotAsAgreed(f"the algorithm is not that of the key {keyid}")
        return keyid

    def _verify_time(self, signed: InnerList) -> None:
        now, leeway = self._clock.now(), self._config.leeway
        created, expires = signed.parameters["created"], signed.parameters.get("expires")
        assert isinstance(created, int)  # noqa: S101  # checked
        facts: dict[str, object] = {"created": created, "now": now, "max_age": self._config.max_age}
        change, late = None, False
        if now - created > self._config.max_age + leeway:
            change, late = Change("max_age", Duration(ceil(now - created - leeway))), True
        elif created - now > leeway:
            change, late = Change("leeway", Duration(ceil(created - now))), True
        if isinstance(expires, int) and (now - expires >= leeway or expires <= created):
            facts["expires"], change, late = expires, None, True
        if late:
            raise Rejection(*EXPIRED, headers=self.challenge, facts=facts, change=change)

    async def _verify_body(self, exchange: Exchange, asked: Message, covered: Sequence[Component]) -> None:
        if any(each.name == _DIGEST for each in covered):
            digests = stated(asked.fields[_DIGEST])
            if not await agrees(await exchange.body(), digests, self._clock):
                raise NotAsAgreed("the body is not what Content-Digest says")
        left_out = self._config.digest == "required" and uncovered([_DIGEST], covered, asked)
        if left_out and await _has_body(exchange):
            raise NotAsAgreed("there is a body, and content-digest is not covered")


async def _has_body(exchange: Exchange) -> bool:
    length = exchange.request.content_length
    if length is not None:
        return length > 0
    return bool(await exchange.body())  # of a chunked one nobody knows before


def _members(values: Sequence[str], field: str) -> dict[str, Member]:
    text = ", ".join(values)
    if len(text) > _LONGEST:
        raise NotAsAgreed(f"{field} is longer than {_LONGEST} bytes")
    try:
        return dictionary(text)
    except Malformed as error:
        raise NotAsAgreed(f"{field}: {error}") from None


def _bytes(member: Member | None) -> bytes:
    if not isinstance(member, Item) or not isinstance(member.value, bytes) or member.parameters:
        raise NotAsAgreed("a label of Signature-Input has no signature")
    return member.value
