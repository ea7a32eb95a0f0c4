"""Where nothing is fetched."""

from __future__ import annotations

import pytest

from proxy.errors import FetchError
from proxy.fetch import offline


async def test_a_rehearsal_fetches_nothing_and_says_so() -> None:
    with pytest.raises(FetchError, match="nothing is, in a rehearsal"):
        await offline("https://id.example/jwks", at_most=1, within=1.0)
