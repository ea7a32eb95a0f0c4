"""What every shape in a policy file has in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from proxy.config.units import Mode


class Schema(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown keys are errors, and nothing changes after loading.

    Each field is `Annotated[type, Meta(description=...)]`; the description, the default
    and the bounds become the editor's schema and the docs page.
    """


class Choice(Schema, frozen=True, kw_only=True):
    """A mapping with exactly one of its keys, each of which is None by default."""

    @property
    def chosen(self) -> tuple[str, Any]:
        """The key that stands there, and its value; of a valid one."""
        ((name, value),) = self._given()
        return name, value

    def check(self) -> Iterator[tuple[str, str]]:
        """One, and no more."""
        count = len(list(self._given()))
        if count != 1:
            known = ", ".join(info.encode_name for info in msgspec.structs.fields(type(self)))
            yield "", f"got {count or 'none'} of them; expected one of {known}"

    def _given(self) -> Iterator[tuple[str, Any]]:
        for info in msgspec.structs.fields(type(self)):
            value = getattr(self, info.name)
            if value is not None:
                yield info.encode_name, value


class PolicyConfig(Schema, frozen=True, kw_only=True):
    """What every policy takes."""

    mode: Annotated[
        Mode,
        Meta(
            description="`enforce`; `shadow`: decide and report, change nothing; `disabled`; "
            "or a share such as `10%`: enforced for that share of callers, shadow for the rest."
        ),
    ] = Mode("enforce")

    def in_words(self) -> Sequence[str]:
        """What its limits, waits and repetitions come to, a sentence each; nothing where the keys say it.

        Such as `at most 10 at once, then one per 600ms, for each client`.
        """
        return ()

    def other_upstreams(self) -> Iterator[tuple[str, str]]:
        """Names of upstreams that it may have called instead of the route's, and where they stand in it."""
        return iter(())
