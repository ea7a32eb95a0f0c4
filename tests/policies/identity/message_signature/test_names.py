"""Texts of the policy that have a form."""

from __future__ import annotations

import re
from typing import Any

import pytest

from proxy.policies.identity.message_signature.names import ComponentName, KeyId, Label

GOOD = {
    KeyId: ["a", "acme 2024 (new)", "x" * 256],
    Label: ["sig1", "*", "a-b_c.d*"],
    ComponentName: ["@method", "@target-uri", "x-tenant", "content-digest"],
}
BAD: dict[Any, list[object]] = {
    KeyId: ["", "x" * 257, "é", "a\nb", 5, None],
    Label: ["", "Sig", "1a", "a b", "x" * 65, 5],
    ComponentName: ["", "@status", "@query-param", "@nonsense", "Host", "a b", "a:", 5, "host\n"],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in GOOD.items() for text in texts])
def test_what_fits_is_taken(kind: Any, text: str) -> None:
    assert (text, True) == (kind.parse(text), bool(re.search(kind.pattern, text)))


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in BAD.items() for text in texts])
def test_what_does_not_is_refused(kind: Any, text: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        kind.parse(text)


@pytest.mark.parametrize("kind", GOOD)
def test_the_example_is_one(kind: Any) -> None:
    assert kind.example == kind.parse(kind.example)
