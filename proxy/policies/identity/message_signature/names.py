"""Texts of the policy that have a form: each parses itself, as units do."""

from __future__ import annotations

from proxy.config.units import Text


class KeyId(Text):
    """By which a signature names its key."""

    __slots__ = ()
    pattern = r"^[ -~]{1,256}$"
    example = "acme-2024"
    otherwise = "no keyid; expected 1 to 256 printable ASCII characters"


class Label(Text):
    """Of a signature among several."""

    __slots__ = ()
    pattern = r"^[a-z*][a-z0-9_.*-]{0,63}$"
    example = "sig1"
    otherwise = "no label; expected small letters, digits and _-.*, such as sig1"


_DERIVED = ("@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query")


class ComponentName(Text):
    """A header in small letters, or what is derived from a request."""

    __slots__ = ()
    pattern = rf"^({'|'.join(_DERIVED)}|[!#$%&'*+.^_`|~0-9a-z-]+)$"
    example = "@method"
    otherwise = f"no component; expected a header in small letters, or one of {', '.join(_DERIVED)}"
