"""Parcels, the made-up table of small use cases: its declaration, its times and its rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from tests.support.small_case_files import SmallTable

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MARCH, APRIL = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 10, tzinfo=UTC)
PARCELS = SmallTable(
    columns={
        "parcel": "text", "depot": "text", "weight": "number", "items": "integer",
        "fragile": "boolean", "sent": "time", "damaged": "integer",
    },
    keys=("parcel",),
)  # fmt: skip


def parcel_rows(
    start: datetime = MARCH, days: float = 1, per_day: int = 32, number: int | None = None
) -> pl.DataFrame:
    """Rows of parcels, evenly in time; heavy and fragile ones are damaged more often.

    Args:
        start: when the first one is sent.
        days: length of the span.
        per_day: parcels a day.
        number: of the first parcel; None derives it from the time, so spans do not overlap.
    """
    index = pl.int_range(round(days * per_day), eager=True)
    first = number if number is not None else round((start - MARCH) / DAY * per_day) + 10_000
    name = (index + first).cast(pl.String).str.zfill(5)
    weight = ((index + first) * 7919 % 100) / 10
    fragile = (index + first) * 31 % 5 == 0
    return pl.DataFrame(
        {
            "parcel": "P" + name,
            "depot": pl.Series(["north", "south", "east", "west"])[(index + first) % 4],
            "weight": weight,
            "items": (index + first) * 17 % 8 + 1,
            "fragile": fragile,
            "sent": pl.Series([start]).dt.cast_time_unit("us").item()
            + pl.Series([DAY / per_day] * len(index), dtype=pl.Duration("us")) * index,
            "damaged": ((weight > 7) | fragile & ((index + first) % 3 > 0)).cast(pl.Int64),
        }
    )
