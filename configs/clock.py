"""The clock, the bounds of moments, and the text form of times and durations."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from configs.errors import BadConfig

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Bounds of every moment in a YAML file: libraries overflow at years like 1 and 9999."""
LONGEST = timedelta(days=36_500)
LARGEST_SHARE = 0.5  # of the rows, for one part of history
YEAR = timedelta(days=365)
_PERIODS = {"day": 365, "week": 52, "month": 12, "quarter": 4, "year": 1}
CLOCK_GRACE = timedelta(minutes=5)
"""How far an `as_of` may be ahead of this machine's clock: clocks of machines differ."""


def as_utc(moment: datetime) -> datetime:
    """Return a moment in UTC; a naive one is read as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def check_moment(moment: datetime) -> datetime:
    """Return a moment in UTC, as `as_utc` does; ValueError if it is out of bounds."""
    with suppress(OverflowError):  # a time zone moves it out of the calendar
        if EARLIEST <= (utc := as_utc(moment)) < LATEST:
            return utc
    raise ValueError(
        f"time {moment.isoformat()} is invalid; write one from {EARLIEST:%Y-%m-%d} to "
        f"{LATEST:%Y-%m-%d}"
    )


def utc_or_now(as_of: datetime | None = None) -> datetime:
    """Return `as_of` in UTC, or now; for flows and commands only, which may ask the clock.

    Raises BadConfig if it is before EARLIEST, or more than CLOCK_GRACE after now: what is recorded
    for a future moment would hide what happens until then.
    """
    now = datetime.now(UTC)
    if as_of is None:
        return now
    try:
        moment = check_moment(as_of)
    except ValueError as error:
        raise BadConfig(f"as_of: {error}") from error
    if moment > now + CLOCK_GRACE:
        raise BadConfig(
            f"as_of: {moment.isoformat()} is in the future (now: {now:%Y-%m-%dT%H:%M:%SZ}); give "
            "a moment up to now, in UTC"
        )
    return moment


def parse_duration(text: object) -> timedelta:
    """Return `90m`, `2h`, `7d` or `4w` as a timedelta; a timedelta is returned unchanged."""
    if isinstance(text, timedelta):
        return text
    match = re.fullmatch(r"([0-9]{1,8})([mhdw])", str(text))
    span = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else LONGEST
    if match is None or span > LONGEST:
        raise ValueError(
            f"duration {str(text)!r:.40} is invalid; write a whole number and m, h, d or w, like "
            f"7d, and at most {LONGEST.days}d"
        )
    return span


def write_duration(span: timedelta) -> str:
    """Return the shortest text of a duration that `parse_duration` reads."""
    minutes = int(span.total_seconds() // 60)
    for unit, size in (("w", 10080), ("d", 1440), ("h", 60)):
        if minutes and minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"


def parse_rate(text: object) -> float:
    """Return `0.5 per year`, `1 per quarter` or `2 per month` as events a year; a number as it is.

    YAML reads `0.5 per year` as text, and a number alone means events a year.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text)
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) +(?:per|a|/) +([a-z]+)", str(text).strip())
    if match is None or match[2] not in _PERIODS:
        raise ValueError(
            f"rate {str(text)!r:.40} is invalid; write a number and a period, like 0.5 per year "
            f"(periods: {', '.join(_PERIODS)})"
        )
    return float(match[1]) * _PERIODS[match[2]]


def write_rate(rate: float) -> str:
    """Return the text of events a year that `parse_rate` reads."""
    return f"{round(rate, 6):.6f}".rstrip("0").rstrip(".") + " per year"


def parse_extent(text: object) -> timedelta | float:
    """Return a part of history: a duration like `21d`, or `10%` as a share of the rows, 0.1."""
    match = re.fullmatch(r"([0-9]{1,2}(?:\.[0-9]{1,3})?) ?%", str(text).strip())
    share = float(match[1]) / 100 if match else text
    if isinstance(share, float):
        if not 0 < share <= LARGEST_SHARE:
            raise ValueError(
                f"share {share:.1%} is invalid; write a share above 0% and at most "
                f"{LARGEST_SHARE:.0%}, like 10%, or a duration like 21d"
            )
        return share
    return parse_duration(text)


def write_extent(extent: timedelta | float) -> str:
    """Return the text of a part of history that `parse_extent` reads."""
    if isinstance(extent, timedelta):
        return write_duration(extent)
    return f"{round(100 * extent, 3):g}%"


def parse_row_count(text: object) -> int | float:
    """Return a number of rows, or `5%` as a share of the rows, 0.05."""
    match = re.fullmatch(r"([0-9]{1,2}(?:\.[0-9]{1,3})?) ?%", str(text).strip())
    if match and (share := float(match[1]) / 100) > 0:
        return share
    if isinstance(text, float) and 0 < text < 1:
        return text
    if isinstance(text, int) and not isinstance(text, bool) and text >= 1:
        return text
    raise ValueError(f"rows {text!r} is invalid; write a number from 1 on, or a share like 5%")


def write_row_count(count: float) -> int | str:
    """Return a number of rows, or the text of a share that `parse_row_count` reads."""
    return count if isinstance(count, int) else f"{round(100 * count, 3):g}%"
