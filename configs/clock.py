"""The clock, and the text form of times and durations."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def utc_or_now(as_of: datetime | None = None) -> datetime:
    """Return `as_of` in UTC, or now; a naive time is read as UTC."""
    if as_of is None:
        return datetime.now(UTC)
    return as_of.replace(tzinfo=UTC) if as_of.tzinfo is None else as_of.astimezone(UTC)


def parse_duration(text: object) -> timedelta:
    """Return `90m`, `2h`, `7d` or `4w` as a timedelta; a timedelta is returned unchanged."""
    if isinstance(text, timedelta):
        return text
    match = re.fullmatch(r"(\d+)([mhdw])", str(text))
    if match is None:
        raise ValueError(
            f"duration {text!r} is invalid; write a whole number and m, h, d or w, like 7d"
        )
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def write_duration(span: timedelta) -> str:
    """Return the shortest text of a duration that `parse_duration` reads."""
    minutes = int(span.total_seconds() // 60)
    for unit, size in (("w", 10080), ("d", 1440), ("h", 60)):
        if minutes and minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"
