"""Fixtures for a proxy that is put together from policy files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.app.seawall import POLICIES
from tests.app.trial import Files, trial_kind
from tests.wire.harness import Echo, RawUpstream


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """An empty folder for policy files."""
    return Files(tmp_path)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """There is a kind `trial`; these are the names of its policies that were built."""
    yield from trial_kind(monkeypatch)


@pytest.fixture
async def upstream() -> AsyncIterator[RawUpstream]:
    """An upstream that answers everything with 200 `ok`."""
    async with RawUpstream(Echo()) as upstream:
        yield upstream


@pytest.fixture
def policies(tmp_path: Path, upstream: RawUpstream) -> Path:
    """A file with a route to it."""
    path = tmp_path / "policies.yaml"
    path.write_text(POLICIES.format(port=upstream.port))
    return path
