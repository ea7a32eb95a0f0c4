"""A configuration that was replaced is freed without the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.config.dismantle import dismantle
from proxy.config.loader import load
from proxy.config.nodes import Node
from proxy.policies import PIPELINE_ORDER

TEXT = """\
version: 1
x-anchor: &limits {size_limit: {body: 1MiB}}
upstreams: {app: {url: "http://127.0.0.1:3000"}, other: {url: "http://127.0.0.1:3001"}}
policies: {size_limit: {small: {body: 1KiB}, unused: {body: 2KiB}}}
defaults: {deadline: 3s}
routes:
  - {name: a, match: {path: /a}, upstream: app, policies: {size_limit: small}}
  - {name: b, match: {path: /b}, upstream: app, policies: *limits}
  - {name: c, match: {path: /c}, upstream: app, policies: {size_limit: {use: small, mode: shadow}}}
"""


@pytest.fixture
def asleep() -> Iterator[None]:
    """The collector does nothing."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def nodes() -> int:
    return sum(type(each) is Node for each in gc.get_objects())


@pytest.mark.usefixtures("asleep")
def test_nothing_of_it_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TEXT)
    before = nodes()
    configuration = load(tmp_path, PIPELINE_ORDER, env={}, default_upstream="http://127.0.0.1:1")
    held = nodes()

    dismantle(configuration)
    del configuration

    assert (True, before) == (held > before + 20, nodes())


@pytest.mark.usefixtures("asleep")
def test_it_would_be_left_to_the_collector_else(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TEXT)
    before = nodes()
    configuration = load(tmp_path, PIPELINE_ORDER, env={})

    del configuration

    assert nodes() > before
