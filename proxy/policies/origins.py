"""Origins as policies list them and as browsers send them."""

from __future__ import annotations

from typing import Self

from proxy.config.units import Text

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class PageOrigin(Text):
    """An origin as browsers serialise it (WHATWG HTML, "serialization of an origin"), or `null`."""

    __slots__ = ()
    pattern = r"^(null|[A-Za-z][A-Za-z0-9+.\-]*://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._\-]+)(:\d{1,5})?)$"
    example = "https://app.example"
    otherwise = (
        "no origin; expected scheme://host or scheme://host:port, without a path or a pattern, such as"
        " https://app.example"
    )

    @classmethod
    def parse(cls, value: object) -> Self:
        return cls(without_default_port(super().parse(value).lower()))


def without_default_port(origin: str) -> str:
    """`origin` as browsers write it: without the port that its scheme stands for."""
    return origin.removesuffix(_DEFAULT_PORTS.get(origin.partition("://")[0], "://"))
