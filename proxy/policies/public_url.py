"""How the URL begins that others call, where a proxy in between rewrites it."""

from __future__ import annotations

import re
from typing import ClassVar, Self
from urllib.parse import urlsplit


class PublicUrl(str):
    """How a URL begins by which others call: scheme, authority, and where need be a path."""

    __slots__ = ()
    pattern: ClassVar[str] = r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"
    example: ClassVar[str] = "https://hooks.example.com"

    @classmethod
    def parse(cls, value: object) -> Self:
        if isinstance(value, str) and re.fullmatch(cls.pattern, value):
            try:
                urlsplit(value).port  # noqa: B018  # it raises
            except ValueError:
                pass
            else:
                return cls(value.rstrip("/"))
        raise ValueError(f"{value!r} is no beginning of a URL; expected one such as {cls.example}")
