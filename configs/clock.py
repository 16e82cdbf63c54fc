"""The one place that asks the clock, and how a moment and a duration are written."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def utc_or_now(as_of: datetime | None = None) -> datetime:
    """The moment a flow pretends to be at: `as_of` in UTC (a naive one is read as UTC), or now."""
    if as_of is None:
        return datetime.now(UTC)
    return as_of.replace(tzinfo=UTC) if as_of.tzinfo is None else as_of.astimezone(UTC)


def parse_duration(text: object) -> timedelta:
    """`90m`, `2h`, `7d` or `4w` as a timedelta; a timedelta stays one."""
    if isinstance(text, timedelta):
        return text
    found = re.fullmatch(r"(\d+)([mhdw])", str(text))
    if found is None:
        raise ValueError(f"{text!r} is no duration; write a whole number and m, h, d or w, like 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def write_duration(span: timedelta) -> str:
    """The shortest way to write a duration that `parse_duration` reads back."""
    minutes = int(span.total_seconds() // 60)
    for unit, size in (("w", 10080), ("d", 1440), ("h", 60)):
        if minutes and minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"
