"""Profiles of days merge into that of their week; without WhyLogs an error says what to install."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec

import numpy as np
import polars as pl
import pytest

from configs.errors import BadConfig
from tasks.monitoring.profiles.whylogs_profile import merge_profiles, profile_rows

WEEK = datetime(2013, 4, 1, tzinfo=UTC)
needs_whylogs = pytest.mark.skipif(
    find_spec("whylogs") is None, reason="whylogs is not installed: pip install '.[whylogs]'"
)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    random = np.random.default_rng(0)
    count = 7 * 300
    return pl.DataFrame(
        {
            "day": [WEEK + timedelta(days=row // 300) for row in range(count)],
            "delay": random.normal(10, 5, count),
            "origin": random.choice(["EWR", "JFK", "LGA"], count),
        }
    ).with_columns(pl.when(pl.col("delay") > 3).then("delay"))


@needs_whylogs
def test_a_week_is_the_merge_of_its_days(rows: pl.DataFrame) -> None:
    from whylogs.core import DatasetProfileView

    days = [profile_rows(part.drop("day")) for _, part in rows.group_by("day")]
    assert len(days) == 7
    merged = DatasetProfileView.deserialize(merge_profiles(days)).to_pandas()
    whole = DatasetProfileView.deserialize(profile_rows(rows.drop("day"))).to_pandas()
    for column in ("delay", "origin"):
        for measure in ("counts/n", "counts/null", "types/fractional", "types/string"):
            assert merged.loc[column, measure] == whole.loc[column, measure], (column, measure)
        assert merged.loc[column, "cardinality/est"] == pytest.approx(
            whole.loc[column, "cardinality/est"], rel=0.05
        )
    assert merged.loc["delay", "counts/n"] == rows.height
    assert merged.loc["delay", "counts/null"] == rows["delay"].null_count()
    assert merged.loc["delay", "distribution/mean"] == pytest.approx(rows["delay"].mean())
    assert merged.loc["delay", "distribution/max"] == pytest.approx(rows["delay"].max())
    assert not hasattr(np, "unicode_"), "NumPy keeps no name of ours"


@pytest.mark.skipif(find_spec("whylogs") is not None, reason="whylogs is installed")
def test_without_whylogs_the_error_says_what_to_install(rows: pl.DataFrame) -> None:
    for call in (lambda: profile_rows(rows), lambda: merge_profiles([b"x"])):
        with pytest.raises(BadConfig, match=r"pip install '\.\[whylogs\]'"):
            call()
