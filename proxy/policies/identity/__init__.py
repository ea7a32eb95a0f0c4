"""Third: who the caller is, proved by something that nobody else has."""

from __future__ import annotations

from proxy.policies.identity.api_key import ApiKey, ApiKeyConfig, rehearsed_with, sign_with_key
from proxy.policies.identity.authenticate import Authenticate, AuthenticateConfig
from proxy.policies.identity.authenticate.rehearsing import rehearsed_with_credentials, sign_in_one_way
from proxy.policies.identity.basic_auth import BasicAuth, BasicAuthConfig, sign_with_password
from proxy.policies.identity.basic_auth import rehearsed_with as rehearsed_with_password
from proxy.policies.identity.jwt import Jwt, JwtConfig
from proxy.policies.identity.jwt.rehearsing import rehearsed_with as rehearsed_with_key
from proxy.policies.identity.jwt.rehearsing import sign_with_token
from proxy.policies.identity.message_signature import MessageSignature, MessageSignatureConfig
from proxy.policies.identity.message_signature.signing import sign_message
from proxy.policies.identity.webhook_signature import WebhookSignature, WebhookSignatureConfig
from proxy.policies.identity.webhook_signature.rehearsing import rehearsed_with as rehearsed_with_certificate
from proxy.policies.identity.webhook_signature.signing import sign_as_provider
from proxy.policy import AnyPolicyType, PolicyType

IDENTITY: tuple[AnyPolicyType, ...] = (
    PolicyType(
        "authenticate",
        AuthenticateConfig,
        Authenticate,
        sign=sign_in_one_way,
        rehearsed=rehearsed_with_credentials,
    ),
    PolicyType("api_key", ApiKeyConfig, ApiKey, sign=sign_with_key, rehearsed=rehearsed_with),
    PolicyType(
        "basic_auth", BasicAuthConfig, BasicAuth, sign=sign_with_password, rehearsed=rehearsed_with_password
    ),
    PolicyType("jwt", JwtConfig, Jwt, one=("jwks",), sign=sign_with_token, rehearsed=rehearsed_with_key),
    PolicyType(
        "webhook_signature",
        WebhookSignatureConfig,
        WebhookSignature,
        sign=sign_as_provider,
        rehearsed=rehearsed_with_certificate,
    ),
    PolicyType("message_signature", MessageSignatureConfig, MessageSignature, sign=sign_message),
)
