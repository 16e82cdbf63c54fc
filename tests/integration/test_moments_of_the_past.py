"""Moments before the newest monitored window: they are measured, and nothing follows from them."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from tasks.ledger.log import open_ledger
from tasks.monitoring.window import load_window, measure_window
from tests.support.parcel_rows import APRIL, DAY, MARCH, parcel_rows
from tests.support.small_case import SmallCase

NEWEST = APRIL + 12 * DAY
PAST = [
    APRIL + timedelta(hours=7),
    APRIL + 3 * DAY,
    APRIL + 6 * DAY + timedelta(minutes=1),
    NEWEST - DAY,
    NEWEST - timedelta(microseconds=1),
]


@pytest.fixture
def gap(make_case) -> SmallCase:
    """Parcels of twelve days, of which none landed from the second to the ninth."""
    parcels: SmallCase = make_case()
    parcels.land("spring", parcel_rows(MARCH, days=40))
    parcels.ingest(APRIL)
    parcels.train(APRIL)
    parcels.promote()
    for day in (0, 9, 10, 11):
        parcels.land(f"day{day}", parcel_rows(APRIL + day * DAY), at=APRIL + day * DAY)
        parcels.ingest(APRIL + (day + 1) * DAY)
        parcels.score(APRIL + (day + 1) * DAY)
    return parcels


def severities_at(case: SmallCase, at: datetime) -> set[str | None]:
    window = load_window(case.use_case, open_ledger().entries(case.name), at)
    return {measured.verdict for measured in measure_window(window)}


def test_moments_of_the_past_are_measured_and_ask_for_nothing(gap):
    gap.monitor(NEWEST)
    before = gap.ledger()
    assert "page" in severities_at(gap, APRIL + 6 * DAY), "it would be an episode in its time"
    for at in PAST:
        rows = gap.monitor(at)
        assert rows.height, at
        assert rows["verdict"].null_count() == rows.height, at
    assert gap.ledger() == before
    newest = gap.monitor(NEWEST)
    assert newest["verdict"].drop_nulls().len() > 0
    assert gap.ledger() == before, "measurements of the past count for no later window"


def test_window_that_was_judged_in_its_time_keeps_its_verdicts(gap):
    judged = gap.monitor(APRIL + 6 * DAY)
    gap.monitor(NEWEST)
    before = gap.ledger()
    again = gap.monitor(APRIL + 6 * DAY)
    assert again.sort(pl.all()).equals(judged.sort(pl.all()))
    assert gap.ledger() == before
