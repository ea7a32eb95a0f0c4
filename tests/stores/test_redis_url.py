from __future__ import annotations

import pytest

from proxy.stores.redis_url import RedisUrl


def test_all_that_a_url_says() -> None:
    url = RedisUrl.parse(
        "rediss://me:p%40ss@cache.example:6380/3?ca_file=/run/ca.pem&namespace=shop.1&connections=7"
    )

    assert (
        RedisUrl(
            host="cache.example",
            port=6380,
            database=3,
            tls=True,
            cluster=False,
            user="me",
            password="p@ss",
            ca_file="/run/ca.pem",
            namespace="shop.1",
            connections=7,
        )
        == url
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://cache", "redis://cache:6379/0"),
        ("redis://:secret@cache/2", "redis://:***@cache:6379/2"),
        ("rediss+cluster://me:secret@[::1]:7000", "rediss+cluster://me:***@[::1]:7000"),
    ],
)
def test_it_is_shown_without_its_password(url: str, shown: str) -> None:
    parsed = RedisUrl.parse(url)

    assert (shown, False) == (str(parsed), "secret" in repr(parsed))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://cache", "expected one of redis://"),
        ("redis://", "no host is named"),
        ("redis://a:secret#1@cache", "the port is none"),
        ("redis://cache#1", "no host is named"),
        ("redis://cache:0x1", "the port is none"),
        ("redis://cache/one", "the path is no database"),
        ("redis+cluster://cache/1", "the path is no database"),
        ("redis://cache?ttl=1", "'ttl' is no option"),
        ("redis://cache?namespace=a&namespace=b", "stands twice"),
        ("redis://cache?namespace={x}", "the namespace is none"),
        ("redis://cache?connections=0", "`connections` is no number"),
    ],
)
def test_what_is_wrong_is_said_without_what_could_be_secret(url: str, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        RedisUrl.parse(url)

    assert message in str(refused.value)
    assert "secret" not in str(refused.value)
