"""Names that an application may take for another."""

from __future__ import annotations

import pytest

from proxy.policies.lookalikes import lookalikes, too_many_dashes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Authorization", set()),
        ("X-Key", {b"x_key"}),
        ("X_Key", {b"x-key"}),
        ("X-API-Key", {b"x_api-key", b"x-api_key", b"x_api_key"}),
    ],
)
def test_dashes_and_underscores_are_alike(name: str, expected: set[bytes]) -> None:
    assert expected == lookalikes(name)


@pytest.mark.parametrize(("name", "wrong"), [("X" + "-a" * 8, False), ("X" + "-a" * 5 + "_a" * 4, True)])
def test_a_name_may_have_eight_of_them(name: str, wrong: bool) -> None:
    assert wrong == bool(too_many_dashes(name))
