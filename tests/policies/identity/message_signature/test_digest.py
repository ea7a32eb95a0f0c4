"""Whether a body is what Content-Digest says."""

from __future__ import annotations

import pytest

from proxy.policies.identity.message_signature.components import NotAsAgreed
from proxy.policies.identity.message_signature.digest import agrees, of, stated
from proxy.testing import FakeClock

# RFC 9530, appendix D: the body of its examples, with its line end
BODY = b'{"hello": "world"}\n'
SHA256 = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
SHA512 = of(BODY, "sha-512")


@pytest.mark.parametrize("values", [[SHA256], [SHA512], [SHA256, SHA512], [f"{SHA256}, md5=:AA==:"]])
async def test_a_body_agrees_with_its_digests(values: list[str]) -> None:
    assert await agrees(BODY, stated(values), FakeClock())


@pytest.mark.parametrize("values", [[SHA256], [SHA512], [SHA512, SHA256]])
async def test_another_body_does_not(values: list[str]) -> None:
    assert not await agrees(BODY[:-1], stated(values), FakeClock())


async def test_one_digest_that_is_wrong_is_enough() -> None:
    assert not await agrees(BODY, stated([SHA256, of(b"other", "sha-512")]), FakeClock())


def test_what_is_made_here_is_what_the_rfc_prints() -> None:
    assert SHA256 == of(BODY)


@pytest.mark.parametrize(
    "value",
    ["", "md5=:AA==:", "sha-256", 'sha-256="AA"', "sha-256=(:AA==:)", "sha-256=:AA:", "SHA-256=:AA==:"],
)
def test_what_holds_no_digest_is_told(value: str) -> None:
    with pytest.raises(NotAsAgreed, match="Content-Digest"):
        stated([value])


async def test_a_large_body_gives_way_to_others() -> None:
    turns = []

    class Counting(FakeClock):
        async def sleep(self, seconds: float) -> None:
            turns.append(seconds)

    body = b"x" * (1024 * 1024)
    assert await agrees(body, stated([of(body)]), Counting())
    assert [0, 0, 0, 0] == turns
