"""Origins as policies list them and as browsers send them."""

from __future__ import annotations

import re
from typing import ClassVar, Self

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class PageOrigin(str):
    """An origin as browsers serialise it (WHATWG HTML, "serialization of an origin"), or `null`."""

    __slots__ = ()

    pattern: ClassVar[str] = (
        r"^(null|[A-Za-z][A-Za-z0-9+.\-]*://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._\-]+)(:\d{1,5})?)$"
    )
    example: ClassVar[str] = "https://app.example"

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value):
            raise ValueError(
                f"{value!r} is no origin; expected scheme://host or scheme://host:port, without a path or a"
                " pattern, such as https://app.example"
            )
        return cls(without_default_port(value.lower()))


def without_default_port(origin: str) -> str:
    """`origin` as browsers write it: without the port that its scheme stands for."""
    return origin.removesuffix(_DEFAULT_PORTS.get(origin.partition("://")[0], "://"))
