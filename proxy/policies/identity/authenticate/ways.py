"""The policies of this phase that `authenticate` can ask: a field and a line for each.

The one place where a policy knows others: see docs/adr/0016.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from proxy.config.schema import Choice
from proxy.exchange import Identity
from proxy.policies.authenticator import Authenticator
from proxy.policies.identity import api_key, basic_auth, jwt, message_signature, webhook_signature
from proxy.policies.identity.jwt import rehearsing as tokens
from proxy.policies.identity.message_signature.signing import sign_message
from proxy.policies.identity.webhook_signature import rehearsing as certificates
from proxy.policies.identity.webhook_signature.signing import sign_as_provider
from proxy.policy import Services, Unsigned


class Way(Choice, frozen=True, kw_only=True):
    """One way to prove who one is."""

    api_key: Annotated[api_key.ApiKeyConfig | None, Meta(description="By a key.")] = None
    basic_auth: Annotated[basic_auth.BasicAuthConfig | None, Meta(description="By user and password.")] = None
    jwt: Annotated[jwt.JwtConfig | None, Meta(description="By a token.")] = None
    webhook_signature: Annotated[
        webhook_signature.WebhookSignatureConfig | None, Meta(description="By a signature.")
    ] = None
    message_signature: Annotated[
        message_signature.MessageSignatureConfig | None, Meta(description="By an HTTP message signature.")
    ] = None


def callers_of(way: Way) -> Iterator[tuple[str, str, Identity]]:
    """Those of whom all is known at load: the field, where in the file that it names, and who it is."""
    if way.api_key is not None:
        for field, inside, identity in way.api_key.callers():
            yield f"api_key.{field}", inside, identity


class Kind(NamedTuple):
    """What `PolicyType` says of it."""

    build: Callable[[Any, Services], Authenticator]
    sign: Callable[[Any, Unsigned, Mapping[str, str]], None]
    rehearsed: Callable[[Any, Mapping[str, str]], Any] | None = None


KINDS: Mapping[str, Kind] = {
    "api_key": Kind(api_key.ApiKey, api_key.sign_with_key, api_key.rehearsed_with),
    "basic_auth": Kind(basic_auth.BasicAuth, basic_auth.sign_with_password, basic_auth.rehearsed_with),
    "jwt": Kind(jwt.Jwt, tokens.sign_with_token, tokens.rehearsed_with),
    "webhook_signature": Kind(
        webhook_signature.WebhookSignature, sign_as_provider, certificates.rehearsed_with
    ),
    "message_signature": Kind(message_signature.MessageSignature, sign_message),
}
