"""Values that carry their unit, so that no number in a policy file is ambiguous.

Each type parses itself from what YAML gave it and raises ValueError with words for the
operator. `pattern` and `example` go into the JSON Schema.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import ClassVar, Protocol, Self, runtime_checkable


@runtime_checkable
class Unit(Protocol):
    """What the loader and the JSON Schema need of a type of this module.

    With a class variable `hidden` that is true, values are never shown, as if they were secrets.
    """

    pattern: ClassVar[str]
    example: ClassVar[str]

    @classmethod
    def parse(cls, value: object) -> Self:
        """The value; raises ValueError that says what is wrong and what is expected."""
        ...


class Text(str):
    """Text of one form: types of it say which by `pattern`, and what is wrong with `otherwise`."""

    __slots__ = ()
    pattern: ClassVar[str]
    example: ClassVar[str]
    otherwise: ClassVar[str]
    """What text of another form is, and what is expected."""

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value):
            raise ValueError(f"{value!r} is {cls.otherwise}")
        return cls(value)


_SECONDS = {
    "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "hour": 3600.0, "d": 86400.0, "day": 86400.0,
}  # fmt: skip
_RATE_SECONDS = _SECONDS | {"week": 7 * 86400.0, "month": 30 * 86400.0}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)")
_LONGEST = 366 * 86400.0
_FASTEST = 1_000_000


def _too_large(value: object) -> str:
    """What is wrong with it, where that is the length of a number."""
    if isinstance(value, str) and re.search(r"(?<![\d.])\d{10}", value, re.ASCII):
        return f"{value!r} has too large a number in it; expected nine digits at most"
    return ""


class Duration(float):
    """Seconds, written as `250ms`, `30s`, `1h30m`, `7d`."""

    pattern: ClassVar[str] = r"^(\d{1,9}(\.\d{1,3})?(ms|s|m|h|d))+$"
    example: ClassVar[str] = "30s"

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value, re.ASCII):
            expected = "expected one with its unit, such as 250ms, 30s, 1h30m, 7d"
            raise ValueError(_too_large(value) or f"{value!r} is no duration; {expected}")
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(value))
        if seconds > _LONGEST:
            raise ValueError(f"{value!r} is longer than a year")
        return cls(seconds)


class Rate(str):
    """So many in a period: `100/min`, `2/s`, `30/1m`, `10000/day`; a month is 30 days, but in a calendar.

    A part of one is counted in a period in which it is whole: `0.5/s` is `1/2s`, and `2.0/s` is `2/s`.
    """

    __slots__ = ()
    pattern: ClassVar[str] = (
        r"^(\d{1,9}(?:\.\d{1,3})?)/(\d{1,9}(?:\.\d{1,3})?)?(ms|s|m|min|h|hour|d|day|week|month)$"
    )
    example: ClassVar[str] = "100/min"

    @property
    def limit(self) -> int:
        """How many."""
        return int(self.partition("/")[0])

    @property
    def period(self) -> float:
        """In how many seconds."""
        period = self.partition("/")[2]
        unit = period.lstrip("0123456789.")
        return float(period.removesuffix(unit) or 1) * _RATE_SECONDS[unit]

    @property
    def is_month(self) -> bool:
        """In a calendar it is as long as that month is."""
        return self.partition("/")[2] in ("month", "1month")

    @property
    def longest_period(self) -> float:
        """Seconds."""
        return 31 * 86400.0 if self.is_month else self.period

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value, re.ASCII):
            expected = "expected a number in a period, such as 2/s, 100/min, 30/1m, 10000/day"
            raise ValueError(_too_large(value) or f"{value!r} is no rate; {expected}")
        number, _, period = value.partition("/")
        rate = cls(_whole(Fraction(number), period) if "." in number else value)
        if rate.limit < 1 or rate.period <= 0:
            raise ValueError(f"{value!r} lets nothing pass; expected more than 0, in a period above 0")
        if rate.period > _LONGEST:
            raise ValueError(f"{value!r} counts over more than a year")
        if rate.limit > _FASTEST * rate.period:
            raise ValueError(f"{value!r} limits nothing; expected at most a million in a second")
        return rate


def _whole(number: Fraction, period: str) -> str:
    unit = period.lstrip("0123456789.")
    times = Decimal(period.removesuffix(unit) or 1) * number.denominator
    return f"{number.numerator}/{'' if times == 1 else format(times.normalize(), 'f')}{unit}"


_BYTES = {
    "B": 1,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip


class Size(int):
    """Bytes, written as `512B`, `10MB` (10^6), `10MiB` (2^20)."""

    pattern: ClassVar[str] = r"^\d{1,12}(\.\d{1,3})?(B|kB|KB|MB|GB|KiB|MiB|GiB)$"
    example: ClassVar[str] = "10MiB"

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value, re.ASCII):
            raise ValueError(
                f"{value!r} is no size; expected one with its unit, such as 512B, 10MB (10^6), 10MiB (2^20)"
            )
        unit = value.lstrip("0123456789.")
        # Decimal, since 1.001 * 1000 is less than 1001 in floats.
        return cls(Decimal(value[: -len(unit)]) * _BYTES[unit])


class Share(float):
    """A part of the whole from 0 to 1, written as `20%`."""

    pattern: ClassVar[str] = r"^\d{1,3}(\.\d{1,4})?%$"
    example: ClassVar[str] = "20%"

    @classmethod
    def parse(cls, value: object) -> Self:
        if (
            not isinstance(value, str)
            or not re.fullmatch(cls.pattern, value, re.ASCII)
            or float(value[:-1]) > 100
        ):
            raise ValueError(f"{value!r} is no share; expected 0% to 100%, such as 20%")
        return cls(float(value[:-1]) / 100)


class Mode(str):
    """How much a policy may do: `enforce`, `shadow`, `disabled`, or a share such as `10%`."""

    __slots__ = ()
    pattern: ClassVar[str] = r"^(enforce|shadow|disabled|\d{1,3}(\.\d{1,4})?%)$"
    example: ClassVar[str] = "shadow"

    @property
    def share(self) -> float:
        """The share of callers for whom the policy is enforced."""
        return float(Share.parse(str(self))) if self.endswith("%") else float(self == "enforce")

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value, re.ASCII):
            raise ValueError(
                f"{value!r} is no mode; expected enforce, shadow, disabled, or a share such as 10%"
            )
        if value.endswith("%"):
            Share.parse(value)
        return cls(value)


_STATUS = re.compile(r"(\d)xx|(\d{3})(?:-(\d{3}))?")


class StatusSet(frozenset[int]):
    """Status codes, written as a list of `429`, `5xx`, `502-504`."""

    pattern: ClassVar[str] = r"^([1-5]xx|[1-5]\d\d(-[1-5]\d\d)?)$"
    example: ClassVar[str] = "502-504"

    @classmethod
    def parse(cls, value: object) -> Self:
        items = value if isinstance(value, list) else [value]
        return cls(code for item in items for code in _statuses(str(item)))


def _statuses(text: str) -> range:
    if not re.fullmatch(StatusSet.pattern, text, re.ASCII):
        raise ValueError(f"{text!r} is no status; expected one such as 429, 5xx, 502-504")
    if text.endswith("xx"):
        first = int(text[0]) * 100
        return range(first, first + 100)
    first, _, last = text.partition("-")  # type: ignore[assignment]
    codes = range(int(first), int(last or first) + 1)
    if not codes:
        raise ValueError(f"{text!r} runs backwards")
    return codes


class Network(str):
    """An address or a network in CIDR notation: `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32`."""

    __slots__ = ()
    pattern: ClassVar[str] = r"^[0-9a-fA-F:.]+(/\d{1,3})?$"
    example: ClassVar[str] = "10.0.0.0/8"

    @property
    def network(self) -> IPv4Network | IPv6Network:
        """What it stands for."""
        return ip_network(str(self))

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value, re.ASCII):
            raise ValueError(f"{value!r} is no address; expected one such as 10.0.0.0/8 or 2001:db8::/32")
        try:
            ip_network(value)
        except ValueError as error:
            raise ValueError(
                f"{error}; expected an address such as 192.0.2.7 or a network such as 10.0.0.0/8"
            ) from None
        return cls(value)


_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"


class HeaderName(Text):
    """The name of a header field (RFC 9110, section 5.1)."""

    __slots__ = ()
    pattern = rf"^{_NAME}$"
    example = "X-Request-ID"
    otherwise = "no header name; expected one such as X-Request-ID"


class HeaderValue(str):
    """The value of a header field: visible characters, spaces and tabs."""

    __slots__ = ()
    as_written: ClassVar[bool] = True
    """`X-XSS-Protection: 0` means the text: what YAML takes for a number is read as it was written."""
    pattern: ClassVar[str] = r"^[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*$"
    example: ClassVar[str] = "no-referrer"

    @classmethod
    def parse(cls, value: object) -> Self:
        if (
            not isinstance(value, str)
            or not re.fullmatch(cls.pattern, value, re.ASCII)
            or value != value.strip()
        ):
            raise ValueError(
                f"{value!r} is no header value; expected text without line breaks or spaces around it"
            )
        return cls(value)


class FilePath(Text):
    """A file that is read while loading; a relative path starts beside the policy file."""

    __slots__ = ()
    pattern = r"^[^\x00\ud800-\udfff]+$"
    example = "/run/tls/ca.crt"
    otherwise = "no path; expected one such as /run/tls/ca.crt"
