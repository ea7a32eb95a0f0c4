"""Values in the units that panels name, and the ticks of an axis."""

from __future__ import annotations

import math
import time

_SUFFIX = {"reqps": " req/s", "ops": " ops/s", "cps": " c/s", "bytes": "", "short": "", "none": "", "s": ""}
"""Units that are drawn; a dashboard with another one is not."""
_BYTES = ("B", "KiB", "MiB", "GiB", "TiB")
_TIMES = (
    (31_536_000.0, "years"), (604_800.0, "weeks"), (86_400.0, "days"), (3600.0, "hours"), (60.0, "mins"),
    (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"),
)  # fmt: skip
_SHORT = ("", " K", " Mil", " Bil")


def shown(value: float, unit: str, decimals: int | None = None) -> str:
    """As Grafana writes it. Raises KeyError for a unit that is not known here."""
    if math.isnan(value):
        return "-"
    if unit == "dateTimeAsIso":
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(value / 1000))
    if unit == "percentunit":
        return f"{_rounded(value * 100, decimals)}%"
    if unit == "s":
        return _seconds(value, decimals)
    if unit == "bytes":
        return _scaled(value, 1024.0, tuple(f" {name}" for name in _BYTES), decimals)
    return _scaled(value, 1000.0, _SHORT, decimals) + _SUFFIX[unit]


def _seconds(value: float, decimals: int | None) -> str:
    for size, name in _TIMES:
        if abs(value) >= size:
            return f"{_rounded(value / size, decimals)} {name}"
    return f"{_rounded(value, decimals)} s"


def _scaled(value: float, base: float, names: tuple[str, ...], decimals: int | None) -> str:
    power = 0
    while abs(value) >= base and power < len(names) - 1:
        value, power = value / base, power + 1
    return f"{_rounded(value, decimals)}{names[power]}"


def _rounded(value: float, decimals: int | None) -> str:
    """Three digits that count, no zeros behind them."""
    if decimals is None:
        decimals = 0 if value == 0 else max(0, min(3, 2 - math.floor(math.log10(abs(value)))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def ticks(highest: float, unit: str, most: int = 5) -> list[float]:
    """From 0 to what is not below `highest`, in steps that are easily read."""
    base = 1024.0 ** max(0, math.floor(math.log(highest, 1024))) if unit == "bytes" and highest > 1 else 1.0
    highest = highest / base or 1.0
    power = 10.0 ** math.floor(math.log10(highest / most))
    step = next(each * power for each in (1, 2, 2.5, 5, 10) if each * power * most >= highest - 1e-12)
    return [number * step * base for number in range(math.ceil(highest / step - 1e-9) + 1)]
