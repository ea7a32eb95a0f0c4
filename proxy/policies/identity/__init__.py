"""Third: who the caller is, proved by something that nobody else has."""

from __future__ import annotations

from proxy.policies.identity.api_key import ApiKey, ApiKeyConfig, rehearsed_with, sign_with_key
from proxy.policies.identity.basic_auth import BasicAuth, BasicAuthConfig, sign_with_password
from proxy.policies.identity.message_signature import MessageSignature, MessageSignatureConfig
from proxy.policies.identity.message_signature.signing import sign_message
from proxy.policies.identity.webhook_signature import WebhookSignature, WebhookSignatureConfig
from proxy.policies.identity.webhook_signature.signing import sign_as_provider
from proxy.policy import AnyPolicyType, PolicyType

IDENTITY: tuple[AnyPolicyType, ...] = (
    PolicyType("api_key", ApiKeyConfig, ApiKey, sign=sign_with_key, rehearsed=rehearsed_with),
    PolicyType("basic_auth", BasicAuthConfig, BasicAuth, sign=sign_with_password),
    PolicyType("webhook_signature", WebhookSignatureConfig, WebhookSignature, sign=sign_as_provider),
    PolicyType("message_signature", MessageSignatureConfig, MessageSignature, sign=sign_message),
)
