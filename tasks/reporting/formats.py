"""Formats of numbers and moments in every report."""

from __future__ import annotations

from datetime import datetime

MISSING = "–"


def format_number(value: float | None, digits: int, *, signed: bool = False) -> str:
    """Return a number with `digits` decimals, with its sign if asked; a dash for None."""
    if value is None:
        return MISSING
    return f"{value or 0.0:{'+' if signed else ''}.{digits}f}"  # `or` turns -0.0 into 0.0


def format_count(value: float | None) -> str:
    """Return a whole number with separators between thousands; a dash for None."""
    return MISSING if value is None else f"{value:,.0f}"


def format_share(value: float | None, digits: int = 0) -> str:
    """Return a share in percent; a dash for None."""
    return MISSING if value is None else f"{value:.{digits}%}"


def format_interval(
    value: float | None, low: float | None, high: float | None, digits: int, *, signed: bool = False
) -> str:
    """Return a value and its confidence interval: `0.712 [0.698, 0.725]`.

    Args:
        value: The estimate; None gives a dash.
        low: The lower limit; None leaves the interval out.
        high: The upper limit; None leaves the interval out.
        digits: Decimals of all three numbers.
        signed: Whether the numbers carry their sign, as differences do.
    """
    shown, lower, upper = (
        format_number(each, digits, signed=signed) for each in (value, low, high)
    )
    return shown if value is None or low is None or high is None else f"{shown} [{lower}, {upper}]"


def format_seconds(seconds: float) -> str:
    """Return a duration in whole seconds, with its unit."""
    return f"{seconds:.0f} s"


def format_moment(time: datetime | None) -> str:
    """Return a moment to the minute; a dash for None."""
    return MISSING if time is None else f"{time:%Y-%m-%d %H:%M}"


def format_value(value: object) -> str:
    """Return any value as a report shows it where nothing else is asked for."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, datetime):
        return format_moment(value)
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) > 1
        return format_count(value) if whole else format_number(value, 4)
    return f"{value:,}" if isinstance(value, int) else str(value)
