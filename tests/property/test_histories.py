"""Random histories of a use case: both sums hold, whatever landed, when, and who was away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.features.retrieval import build_spine
from tasks.monitoring.missing_predictions import find_missing_predictions
from tests.support.parcel_rows import APRIL, DAY, HOUR, MARCH, PARCELS, parcel_rows
from tests.support.small_case import SmallCase, small_case

DAYS, TOGETHER = 4, 25  # of one timeline; so many histories share its runs
PATIENCE = 2 * DAY
KINDS = ("plain", "plain", "doubled", "doubled later", "corrected", "corrected before", "bad")
LAGS = (0, 1, 5, 20, 30, 60, 90)  # hours from a row's own time to its file


@dataclass(frozen=True)
class Event:
    """A parcel: the hour it is sent in, the lag of its file, and what becomes of it."""

    hour: int
    lag: int
    kind: str


events = st.builds(
    Event, st.integers(-12, 24 * DAYS - 1), st.sampled_from(LAGS), st.sampled_from(KINDS)
)
histories = st.lists(st.lists(events, min_size=1, max_size=4), min_size=TOGETHER, max_size=TOGETHER)
outages = st.sets(st.integers(1, DAYS - 1), max_size=2)


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCase]:
    """Parcels with a champion, trained once; each timeline begins with an empty lake."""
    table = replace(PARCELS, rules=('between("weight", 0, 100)',))
    # the last look at missing rows covers all days of a timeline
    patient = {"schedules": {"score_patience": "2d"}, "monitor": {"window": "14d"}}
    folder = tmp_path_factory.mktemp("histories")
    with small_case(folder, tables={"parcels": table}, yaml=patient) as case:
        case.land("spring", parcel_rows(MARCH, days=40))
        case.ingest(APRIL)
        case.train(APRIL)
        case.promote()
        yield case


def landings(number: int, history: list[Event]) -> list[tuple[datetime, pl.DataFrame]]:
    """The rows of a history, each with the time at which it lands."""
    landed = []
    for place, event in enumerate(history):
        sent = APRIL + event.hour * HOUR + timedelta(minutes=number)
        row = parcel_rows(sent, days=1 / 32, number=number * 100 + place)
        at = sent + event.lag * HOUR
        later = row.with_columns(pl.col("sent") + HOUR, weight=pl.lit(9.0))
        copies = {
            "plain": [(at, row)],
            "doubled": [(at, row), (at, row)],
            "doubled later": [(at, row), (at + DAY, row)],
            "corrected": [(at, row), (at + DAY, later)],
            "corrected before": [(at + DAY, row), (at + HOUR, later)],
            "bad": [(at, row.with_columns(weight=pl.lit(-5.0)))],
        }
        landed += copies[event.kind]
    return landed


def play(parcels: SmallCase, timeline: list[list[Event]], away: set[int]) -> datetime:
    """Land and run day by day; return the time of the last run."""
    parcels.fresh_lake()
    landed = [each for number, history in enumerate(timeline) for each in landings(number, history)]
    since = APRIL - 2 * DAY
    last_day = DAYS + 6  # the latest file has landed by then
    for day in [*(d for d in range(1, DAYS + 1) if d not in away), last_day]:
        now = APRIL + day * DAY + 3 * HOUR
        new = [rows for at, rows in landed if since <= at < now]
        if new:
            parcels.land(f"day{day}", pl.concat(new))
        parcels.land(f"half{day}", f"parcel,depot\nP{day},north\n")
        since = now
        parcels.ingest(now)
        if parcels.raw().height:
            parcels.score(now + HOUR)
    return now + HOUR


def check_histories(parcels: SmallCase, timeline: list[list[Event]], away: set[int]) -> None:
    end = play(parcels, timeline, away)
    parcels.assert_rows_add_up()
    assert len(parcels.refused()) == DAYS - len(away) + 1
    if not parcels.raw().height:
        return
    due = parcels.due_rows(end)
    missing = find_missing_predictions(parcels.use_case, APRIL, end + DAY + HOUR)
    assert due.height == count_predicted_due(parcels, due, end) + missing.height
    parcels.assert_rows_answered(end, missing=missing.height)
    COUNTS["histories"] += len(timeline)
    COUNTS["due"] += due.height
    COUNTS["missing"] += missing.height


def count_predicted_due(parcels: SmallCase, due: pl.DataFrame, end: datetime) -> int:
    """The predicted rows; one that a correction moved before the promotion is due no longer."""
    predicted, keys = parcels.predictions(), parcels.use_case.spine.key
    if not predicted.width:
        return 0
    moved = predicted.join(due, on=keys, how="anti")
    earlier = build_spine(parcels.use_case, APRIL - DAY, APRIL, end)
    assert moved.join(earlier, on=keys, how="anti").is_empty(), moved
    return predicted.height - moved.height


COUNTS = dict.fromkeys(("histories", "due", "missing"), 0)


@settings(max_examples=4, derandomize=True, suppress_health_check=[*HealthCheck], database=None)
@given(histories, outages)
def test_both_sums_hold_over_a_hundred_histories(parcels, timeline, away):
    check_histories(parcels, timeline, away)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=80, suppress_health_check=[*HealthCheck])
@given(histories, outages)
def test_both_sums_hold_over_two_thousand_histories(parcels, timeline, away):
    check_histories(parcels, timeline, away)


def test_the_counts_are_told(parcels):
    print(COUNTS)
    assert COUNTS["histories"] >= 100
    assert COUNTS["due"] > COUNTS["missing"] > 0
