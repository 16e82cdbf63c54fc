"""Calendar columns: recognised by their values, in any encoding and zone; others are not."""

import numpy as np
import polars as pl

from configs.schema.monitoring import DriftRule
from tasks.models.reference_profile import CALENDAR, build_reference_profile
from tests.support.seasonal_counts import NUMERIC, START, seasonal_counts


def test_calendar_columns_inform_and_others_are_judged() -> None:
    frame = seasonal_counts(400).with_columns(
        quarter_name="Q" + pl.col("time").dt.quarter().cast(pl.String),
        days_running=(pl.col("time") - START).dt.total_days().cast(pl.Float64),
        wave=(2 * np.pi * pl.col("time").dt.ordinal_day() / 365.25).sin(),
        local_month=pl.col("time").dt.convert_time_zone("Asia/Tokyo").dt.month(),
    )
    calendar = ["month", "week", "days_running", "wave", "local_month"]
    numeric = [*NUMERIC, "days_running", "wave", "local_month"]
    of = build_reference_profile(
        frame, numeric, ["plan", "quarter_name"], "time", DriftRule()
    ).columns
    found = [name for name, column in of.items() if column.informs == CALENDAR]
    assert sorted(found) == sorted([*calendar, "quarter_name"])
