"""Every way is a policy of the phase, and all keep one contract."""

from __future__ import annotations

import msgspec

from proxy.config.secrets import Secret
from proxy.policies.authenticator import Authenticator
from proxy.policies.identity import IDENTITY
from proxy.policies.identity.authenticate.ways import KINDS, Way
from proxy.policies.identity.basic_auth import BasicAuthConfig
from proxy.policies.identity.webhook_signature import WebhookSignatureConfig
from proxy.testing import fake_services
from tests.policies.identity.callers import a_config

CONFIGS = {
    "api_key": a_config(),
    "basic_auth": BasicAuthConfig(credentials=(Secret("ann:sesame"),)),
    "webhook_signature": WebhookSignatureConfig(scheme="github", secrets=(Secret("s"),)),
}


def test_every_policy_of_the_phase_is_a_way_and_every_way_is_listed_once() -> None:
    policies = [policy.name for policy in IDENTITY if policy.name != "authenticate"]

    assert policies == list(KINDS) == list(Way.__struct_fields__)


def test_each_is_what_the_policy_of_its_name_is() -> None:
    types = {policy.name: policy for policy in IDENTITY}

    assert [(types[name].build, types[name].sign, types[name].rehearsed) for name in KINDS] == [
        tuple(kind) for kind in KINDS.values()
    ]


def test_each_keeps_the_contract() -> None:
    made = [KINDS[name].build(config, fake_services()) for name, config in CONFIGS.items()]

    assert all(isinstance(each, Authenticator) for each in made)
    assert all(name == "WWW-Authenticate" and value for each in made for name, value in each.challenge)
    assert set(KINDS) >= set(CONFIGS)


def test_no_way_has_a_required_key() -> None:
    assert [] == [info.name for info in msgspec.structs.fields(Way) if info.required]
