"""Keys in policy files, and in files beside them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from proxy.config.configuration import Configuration
from proxy.config.effective import as_text
from proxy.config.loader import load
from proxy.errors import ConfigError
from proxy.policies import PIPELINE_ORDER
from proxy.policies.identity.api_key import ApiKey, ApiKeyConfig
from proxy.policies.identity.api_key.keys import Expiry, Key, KeyFormat, KeysDocument, Sha256
from proxy.testing import exchange, fake_services
from tests.policies.identity.callers import (
    GOOD,
    OTHER,
    PASSED,
    a_key,
    answer,
)

HASH = sha256(GOOD.encode()).hexdigest()
OTHER_HASH = sha256(OTHER.encode()).hexdigest()
NOTHING = sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("value", "count"),
    [("hunter2", 7), (HASH[1:], 63), (HASH + "0", 65), (HASH + "\n", 65), ("g" * 64, 64), (7, 0), (None, 0)],
)
def test_what_is_no_hash_is_told_without_showing_it(value: object, count: int) -> None:
    with pytest.raises(ValueError, match="this is no SHA-256") as raised:
        Sha256.parse(value)

    long = f", not {count} characters" if count else ""
    assert f"this is no SHA-256; expected 64 hexadecimal digits{long}" == str(raised.value)


def test_a_hash_may_be_in_capitals() -> None:
    assert HASH == Sha256.parse(HASH.upper())


@pytest.mark.parametrize(
    "value", ["2030-01-01", "2030-01-01T00:00:00", "1893456000", "never", 1893456000, None]
)
def test_what_is_no_end(value: object) -> None:
    with pytest.raises(ValueError, match="no point in time; expected one such as 2030-01-01T00:00:00Z"):
        Expiry.parse(value)


def test_an_end_may_have_an_offset() -> None:
    assert Expiry.parse("2030-01-01T00:00:00Z") == Expiry.parse("2030-01-01T01:00:00+01:00") == 1893456000


@pytest.mark.parametrize("value", ["[", "(?P<a", r"\u00e4", "", 7, None])
def test_what_is_no_format(value: object) -> None:
    with pytest.raises(ValueError, match="no regular expression"):
        KeyFormat.parse(value)


@pytest.mark.parametrize(
    ("keys", "places"),
    [
        pytest.param((a_key("a"), a_key("a", OTHER)), [], id="two of one caller"),
        pytest.param(
            (a_key("a"), a_key("b", OTHER), a_key("c")), ["keys[2].sha256"], id="one of two callers"
        ),
        pytest.param((a_key("a", ""),), ["keys[0].sha256"], id="the empty key"),
    ],
)
def test_keys_that_nobody_can_have_meant(keys: tuple[Key, ...], places: list[str]) -> None:
    assert places == [place for place, _ in KeysDocument(keys=keys).check()]


FILE = """\
version: 1
upstreams: {app: {url: "http://127.0.0.1:3000"}}
routes:
  - name: example
    match: {path: "/**"}
    policies:
      api_key:
        keys: [{id: acme, sha256: %s}]
        keys_file: keys.yaml
"""


def loaded(folder: Path, keys: str, policies: str = FILE % HASH) -> Configuration:
    (folder / "keys.yaml").write_text(keys, encoding="utf-8")
    file = folder / "policies.yaml"
    file.write_text(policies, encoding="utf-8")
    return load(file, PIPELINE_ORDER, env={})


def config_of(configuration: Configuration) -> ApiKeyConfig:
    config = configuration.routes[0].policies[0].config
    assert isinstance(config, ApiKeyConfig)
    return config


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(
            f"keys:\n  - {{id: globex, sha256: {OTHER_HASH}, attributes: {{plan: gold}}}}\n",
            id="YAML",
        ),
        pytest.param(
            f'{{"keys": [{{"id": "globex", "sha256": "{OTHER_HASH}", "attributes": {{"plan": "gold"}}}}]}}',
            id="JSON",
        ),
    ],
)
async def test_keys_in_a_file_stand_beside_those_in_the_policy(keys: str, tmp_path: Path) -> None:
    policy = ApiKey(config_of(loaded(tmp_path, keys)), fake_services())
    asked = exchange(headers={"X-API-Key": OTHER})

    answers = [await answer(policy, asked), await answer(policy, exchange(headers={"X-API-Key": GOOD}))]

    assert [PASSED, PASSED] == answers
    assert asked.identity is not None
    assert ("globex", {"plan": "gold"}) == (asked.identity.id, dict(asked.identity.claims))


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        pytest.param(
            "keys:\n  - id: b\n    sha256: hunter2\n", "keys.yaml:3:13: keys[0].sha256:", id="a key"
        ),
        pytest.param(
            "keys:\n  - id: b\n    key: hunter2\n", "keys.yaml:3:5: keys[0].key:", id="another word"
        ),
        pytest.param("keys: [\n", "keys.yaml:1:8:", id="no YAML"),
        pytest.param(" \n", "policies.yaml:9:20: ", id="nothing"),
        pytest.param(f"keys: [{{id: b, sha256: {HASH}}}]", "policies.yaml:9:20: ", id="a key that is known"),
        pytest.param(f"keys: [{{id: b, sha256: {NOTHING}}}]", "keys.yaml:1:24: keys[0].sha256", id="no key"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_place_and_without_the_key(
    keys: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, keys)

    assert (True, True) == (told in str(error.value), "hunter2" not in str(error.value))


def test_a_key_that_stands_in_a_policy_by_mistake_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, "keys: []", (FILE % HASH).replace(HASH, "hunter2"))

    assert "hunter2" not in str(error.value)


def test_hashes_are_not_shown(tmp_path: Path) -> None:
    assert HASH not in as_text(loaded(tmp_path, "keys: []"))
