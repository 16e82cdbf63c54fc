"""Every row that landed is in raw, in quarantine or refused, and every due row is scored once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import polars as pl
import pytest

from configs.schema.monitoring import Explanations
from configs.schema.promotion import Canary
from tasks.ledger.log import Entry, open_ledger
from tasks.rollout.prediction_log import CONTRIBUTIONS, PREDICTIONS, SHADOWS
from tasks.rollout.state import plan_rollout
from tasks.scoring.due_rows import is_scored_late
from tasks.scoring.partitions import score_partition_rows
from tasks.scoring.plan import plan_scoring, write_scored_rows
from tests.support.parcel_rows import APRIL, DAY, HOUR, MARCH, parcel_rows
from tests.support.small_case import SmallCase, small_case

INGEST, SCORE = timedelta(hours=3), timedelta(hours=3, minutes=40)  # the schedule of `new`


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCase]:
    """Parcels with a champion as of APRIL, trained on the forty days before it."""
    with small_case(tmp_path_factory.mktemp("parcels")) as case:
        case.land("spring", parcel_rows(MARCH, days=40))
        case.ingest(APRIL)
        case.train(APRIL)
        case.promote()
        yield case


@pytest.fixture
def parcels(champion: SmallCase) -> SmallCase:
    """The same with an empty lake."""
    champion.fresh_lake()
    return champion


def run_days(parcels: SmallCase, days: int, lag: timedelta, *, down: tuple[int, ...] = ()) -> None:
    """Land each parcel `lag` after it was sent, and ingest and score once a day."""
    rows, landed = parcel_rows(APRIL - 2 * DAY, days=days + 2), APRIL - 2 * DAY
    for day in range(1, days + 1):
        if day in down:
            continue
        ingest_at = APRIL + day * DAY + INGEST
        time = pl.col("sent")
        new = rows.filter(time >= landed - lag, time < ingest_at - lag)
        parcels.land(f"day{day}", new)
        landed = ingest_at
        parcels.ingest(ingest_at)
        parcels.score(APRIL + day * DAY + SCORE)


def test_a_small_use_case_from_its_file_to_a_measured_window(champion):
    champion.fresh_lake()
    champion.land("spring", parcel_rows(MARCH, days=40))
    champion.land("day", parcel_rows(APRIL), at=APRIL)
    champion.ingest(APRIL + DAY)
    champion.score(APRIL + DAY)
    measured = champion.monitor(APRIL + DAY)
    assert measured.filter(subject="rows:predictions")["value"].item() == 32
    assert champion.predictions()["parcel"].n_unique() == 32
    champion.assert_rows_add_up()
    champion.assert_rows_answered(APRIL + DAY)


@pytest.mark.parametrize(
    ("lag", "down"),
    [
        (0 * HOUR, ()),  # known between ingest and score: in the lake a day later
        (6 * HOUR, ()),
        (30 * HOUR, ()),
        (0 * HOUR, (1, 2, 3)),  # nothing runs for three days
    ],
    ids=["at once", "after six hours", "after thirty hours", "after an outage"],
)
def test_rows_that_land_late_are_scored_by_the_next_run(parcels, lag, down):
    run_days(parcels, 4, lag, down=down)
    parcels.assert_rows_add_up()
    parcels.assert_rows_answered(APRIL + 4 * DAY + SCORE)
    due = parcels.raw().filter(pl.col("sent") >= APRIL)
    assert parcels.predictions().height == due.height > 60


def test_a_late_prediction_is_late_uses_what_was_known_and_changes_no_other(parcels):
    parcels.land("day", parcel_rows(APRIL))
    parcels.ingest(APRIL + DAY)
    parcels.score(APRIL + DAY)
    before = parcels.predictions()
    parcels.land("late", parcel_rows(APRIL + HOUR, number=90_000))
    parcels.ingest(APRIL + 3 * DAY)
    parcels.score(APRIL + 3 * DAY)
    after = parcels.predictions()
    known = after.join(before, on="parcel", how="semi")
    assert known.equals(before), "the run and the time of what was scored are kept"
    late = after.filter(is_scored_late(parcels.use_case, pl.col("scored_as_of")))
    assert late["parcel"].str.starts_with("P9").all()
    assert late.height == 32
    parcels.score(APRIL + 3 * DAY, "3d")
    assert parcels.predictions().equals(after), "a window that is scored again gives what it gave"


def test_unscored_rows_page_and_none_is_due_before_the_first_promotion(parcels):
    parcels.land("days", parcel_rows(APRIL - 2 * DAY, days=4))
    parcels.ingest(APRIL + 2 * DAY)
    parcels.score(APRIL + 2 * DAY, "6h")
    subject = pl.col("subject") == "missing:predictions"
    at_once = parcels.monitor(APRIL + 2 * DAY).filter(subject).row(0, named=True)
    assert (at_once["value"], at_once["verdict"]) == (0, "ok"), "the next run may score them"
    later = parcels.monitor(APRIL + 3 * DAY).filter(subject).row(0, named=True)
    assert (later["value"], later["verdict"]) == (2 * 32 - 8, "page")
    parcels.assert_rows_answered(APRIL + 3 * DAY, missing=2 * 32 - 8)
    parcels.score(APRIL + 3 * DAY)
    healed = parcels.monitor(APRIL + 4 * DAY).filter(subject).row(0, named=True)
    assert (healed["value"], healed["verdict"]) == (0, "ok")
    assert parcels.predictions()["prediction_time"].min() == APRIL


def test_a_row_later_than_the_patience_is_counted(parcels):
    parcels.land("first", parcel_rows(APRIL + 9 * DAY))
    parcels.ingest(APRIL + 10 * DAY)
    parcels.score(APRIL + 10 * DAY)
    parcels.land("late", parcel_rows(APRIL + DAY, days=2))
    parcels.ingest(APRIL + 10 * DAY + HOUR)
    parcels.score(APRIL + 10 * DAY + HOUR)
    measured = parcels.monitor(APRIL + 12 * DAY).filter(subject="missing:predictions")
    assert measured["value"].item() == 32 + 2, "a day, and the hour after it"
    parcels.assert_rows_answered(APRIL + 12 * DAY, missing=32 + 2)


def test_an_outage_longer_than_the_patience_loses_no_row(parcels):
    parcels.land("first", parcel_rows(APRIL))
    parcels.ingest(APRIL + DAY)
    parcels.score(APRIL + DAY)
    parcels.land("rest", parcel_rows(APRIL + DAY, days=12))
    parcels.ingest(APRIL + 13 * DAY)
    parcels.score(APRIL + 13 * DAY)
    parcels.assert_rows_answered(APRIL + 13 * DAY)


def test_rows_that_land_late_during_an_outage_are_scored_after_it(parcels):
    parcels.land("first", parcel_rows(APRIL))
    parcels.ingest(APRIL + DAY)
    parcels.score(APRIL + DAY)
    parcels.land("late", parcel_rows(APRIL + HOUR, number=90_000), at=APRIL + 7 * DAY)
    parcels.ingest(APRIL + 12 * DAY)
    parcels.score(APRIL + 12 * DAY)
    parcels.assert_rows_answered(APRIL + 12 * DAY)
    assert parcels.predictions().height == 64


def test_late_rows_have_arms_shadows_and_contributions_like_all_others(parcels):
    parcels.land("spring", parcel_rows(MARCH, days=40))
    parcels.ingest(APRIL)
    second, begun = parcels.train(APRIL, "second"), APRIL + 20 * DAY
    changes = {
        "rollout": Canary(shares=(0.5,), unit=("parcel",)),
        "explanations": Explanations(flagged=True, top=2, permutations=4),
    }
    case = parcels.use_case.model_copy(update=changes)
    started = plan_rollout(case, 1).to_json()
    open_ledger().record(Entry("parcels", "rollout_started", "x", begun, "test", second, started))
    for number in (1, 90_000):
        parcels.land(f"from{number}", parcel_rows(begun, number=number))
        parcels.ingest(begun + 3 * DAY)
        plan = plan_scoring(case, begun + 3 * DAY)
        for _ in range(2):  # the second time, nothing is left to write
            scored = [
                score_partition_rows(
                    route, case, plan.as_of, "a run", None, due_in=plan.due_in, explain=True
                )
                for route in plan.partitions
            ]
            for table in (SHADOWS, CONTRIBUTIONS, PREDICTIONS):
                write_scored_rows(plan, table, scored)
    tables = {table: parcels.predictions(table) for table in (SHADOWS, CONTRIBUTIONS, PREDICTIONS)}
    for late in (pl.col("parcel") < "P9", pl.col("parcel") >= "P9"):
        used, shadows = (tables[table].filter(late) for table in (PREDICTIONS, SHADOWS))
        assert used.height == shadows.height == 32
        assert set(used["model_version"]) == set(shadows["model_version"]) == {1, second}
        flagged = used.filter("decision").select("parcel", "model_version")
        why = tables[CONTRIBUTIONS].filter(late)
        assert why.height == 2 * flagged.height > 0
        assert set(why["parcel"]) == set(flagged["parcel"])
