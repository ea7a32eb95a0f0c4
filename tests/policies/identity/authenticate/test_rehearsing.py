"""What a test of a policy file shows, where one of several ways is enough."""

from __future__ import annotations

import pytest

from proxy.config.secrets import Secret
from proxy.policies.identity.authenticate import Authenticate, AuthenticateConfig
from proxy.policies.identity.authenticate.rehearsing import rehearsed_with_credentials, sign_in_one_way
from proxy.policies.identity.authenticate.ways import Way
from proxy.policies.identity.basic_auth import BasicAuthConfig
from proxy.policy import Unsigned
from proxy.testing import exchange, fake_services, route
from tests.policies.identity.callers import a_config, a_key
from tests.policies.reading import refusal

BY_KEY = Way(api_key=a_config(a_key()))
BY_PASSWORD = Way(basic_auth=BasicAuthConfig(credentials=(Secret("ann:sesame"),)))


async def test_the_first_way_that_can_be_shown_is_shown() -> None:
    config = AuthenticateConfig(any_of=(BY_KEY, BY_PASSWORD))
    names = []
    for credentials in ({"acme": "for-tests"}, {}):
        unsigned = Unsigned("GET", "/")
        rehearsed = rehearsed_with_credentials(config, credentials)
        sign_in_one_way(rehearsed, unsigned, credentials)
        names += [name for name, _ in unsigned.headers]
        asked = exchange(headers=dict(unsigned.headers))
        response = await route(Authenticate(rehearsed, fake_services())).respond(asked)
        assert (200, None) == refusal(response)

    assert ["X-API-Key", "Authorization"] == names


def test_where_none_can_be_shown_it_is_said_why() -> None:
    with pytest.raises(ValueError, match="api_key: no caller's key is known"):
        sign_in_one_way(AuthenticateConfig(any_of=(BY_KEY,)), Unsigned("GET", "/"), {})
