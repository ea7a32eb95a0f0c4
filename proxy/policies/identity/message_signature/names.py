"""Texts of the policy that have a form: each parses itself, as units do."""

from __future__ import annotations

import re
from typing import ClassVar, Self


class KeyId(str):
    """By which a signature names its key."""

    __slots__ = ()
    pattern: ClassVar[str] = r"^[ -~]{1,256}$"
    example: ClassVar[str] = "acme-2024"

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value, re.ASCII):
            raise ValueError(f"{value!r} is no keyid; expected 1 to 256 printable ASCII characters")
        return cls(value)


class Label(str):
    """Of a signature among several."""

    __slots__ = ()
    pattern: ClassVar[str] = r"^[a-z*][a-z0-9_.*-]{0,63}$"
    example: ClassVar[str] = "sig1"

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value, re.ASCII):
            raise ValueError(f"{value!r} is no label; expected small letters, digits and _-.*, such as sig1")
        return cls(value)


_DERIVED = ("@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query")


class ComponentName(str):
    """A header in small letters, or what is derived from a request."""

    __slots__ = ()
    pattern: ClassVar[str] = rf"^({'|'.join(_DERIVED)}|[!#$%&'*+.^_`|~0-9a-z-]+)$"
    example: ClassVar[str] = "@method"

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value, re.ASCII):
            expected = f"expected a header in small letters, or one of {', '.join(_DERIVED)}"
            raise ValueError(f"{value!r} is no component; {expected}")
        return cls(value)
