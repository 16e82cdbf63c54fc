"""Volume, missing days and nulls against the reference's own weeks."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from configs.schema.loading import load_use_case
from configs.schema.monitoring import DriftRule
from tasks.models.reference_profile import ReferenceProfile, build_reference_profile
from tasks.monitoring.data_contract import measure_nulls, measure_predicted_rows, measure_volumes
from tasks.monitoring.drift import measure_drift
from tasks.monitoring.measurements import Measurement

FLIGHTS = load_use_case("flights")
AS_OF = datetime(2024, 4, 1, 4, 30, tzinfo=UTC)
START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def constant_profile() -> ReferenceProfile:
    times = [START + i * timedelta(hours=2) for i in range(12 * 70)]
    frame = pl.DataFrame({"x": [1.0] * len(times), "time": times})
    return build_reference_profile(frame, ["x"], [], "time", DriftRule())


def rows_per_day(table: str, per_day: int = 10, until: datetime = AS_OF) -> pl.DataFrame:
    """Rows of a table, known at noon of each day."""
    days = (until - START).days + 1
    times = [START + d * DAY + timedelta(hours=12) for d in range(days) for _ in range(per_day)]
    return pl.DataFrame({FLIGHTS.tables[table].known_time: times})


def volumes_by_subject(table: str, rows: pl.DataFrame) -> dict[str, Measurement]:
    numbers = measure_volumes(FLIGHTS, {table: rows.lazy()}, constant_profile(), AS_OF)
    return {number.subject: number for number in numbers}


def known_column(table: str) -> pl.Expr:
    return pl.col(FLIGHTS.tables[table].known_time)


def test_a_normal_week_is_ok() -> None:
    said = volumes_by_subject("arrivals", rows_per_day("arrivals"))
    assert said["rows:arrivals"].value == said["rows:arrivals"].reference == 70
    assert said["missing_days:arrivals"].value == 0
    assert {number.verdict for number in said.values()} == {"ok"}


def test_under_half_of_the_usual_rows_pages() -> None:
    rows = rows_per_day("arrivals").filter(
        (known_column("arrivals") < AS_OF - 7 * DAY) | (pl.int_range(pl.len()) % 3 == 0)
    )
    said = volumes_by_subject("arrivals", rows)
    assert said["rows:arrivals"].verdict == "page"
    assert said["rows:arrivals"].threshold == 35
    assert said["missing_days:arrivals"].verdict == "ok"


def test_a_day_without_rows_pages_though_the_volume_is_fine() -> None:
    lost = datetime(2024, 3, 28, tzinfo=UTC)
    rows = rows_per_day("arrivals").filter(~known_column("arrivals").is_between(lost, lost + DAY))
    said = volumes_by_subject("arrivals", rows)
    assert said["missing_days:arrivals"].value == pytest.approx(1, abs=0.05)
    assert said["missing_days:arrivals"].verdict == "page"
    assert said["rows:arrivals"].verdict == "ok"


def rows_every(hours: float) -> pl.DataFrame:
    count = int((AS_OF - START) / timedelta(hours=hours))
    times = [AS_OF - timedelta(hours=hours * (i + 0.5)) for i in range(count)]
    return pl.DataFrame({FLIGHTS.tables["arrivals"].known_time: times})


@pytest.mark.parametrize("every", [0.25, 1, 2, 5, 11])
@pytest.mark.parametrize("ends", [0, 7, 20, 50])  # hours before the end of the window
@pytest.mark.parametrize(("lost", "verdict"), [(0, "ok"), (2, "ok"), (36, "page"), (60, "page")])
def test_lost_hours_are_found_at_the_rhythm_of_the_table(
    every: float, ends: int, lost: int, verdict: str
) -> None:
    end = AS_OF - timedelta(hours=ends)
    start = end - timedelta(hours=lost)
    gone = (known_column("arrivals") >= start) & (known_column("arrivals") < end)
    said = volumes_by_subject("arrivals", rows_every(every).filter(~gone))
    assert said["missing_days:arrivals"].verdict == verdict
    assert said["missing_days:arrivals"].value == pytest.approx(lost / 24, abs=0.95)


@pytest.mark.parametrize("rest", [1, 3, 5, 8, 12])  # hours of the night
@pytest.mark.parametrize("begins", [0, 3, 4, 20])
@pytest.mark.parametrize("shift", [-1, 0, 1])  # of the clock, one week before the window ends
@pytest.mark.parametrize(("lost", "verdict"), [(0, "ok"), (44, "page")])
def test_a_rest_at_night_is_no_gap_also_after_a_change_of_the_clock(
    rest: int, begins: int, shift: int, lost: int, verdict: str
) -> None:
    known = known_column("arrivals")
    shifted = pl.when(known >= AS_OF - 7 * DAY).then(shift).otherwise(0)
    awake = (known.dt.hour().cast(pl.Int64) + shifted - begins) % 24 >= rest
    here = ~known.is_between(AS_OF - 3 * DAY, AS_OF - 3 * DAY + timedelta(hours=lost))
    said = volumes_by_subject("arrivals", rows_every(0.5).filter(awake & (here | (lost == 0))))
    assert said["missing_days:arrivals"].verdict == verdict


def test_nothing_at_all_pages() -> None:
    said = volumes_by_subject("arrivals", rows_per_day("arrivals", until=AS_OF - 9 * DAY))
    assert said["rows:arrivals"].value == 0
    assert said["missing_days:arrivals"].value == pytest.approx(7, abs=0.5)
    assert {number.verdict for number in said.values()} == {"page"}


def test_a_broken_contract_is_as_bad_as_the_rule_says() -> None:
    contract = FLIGHTS.monitor.contract.model_copy(update={"severity": "ticket"})
    monitor = FLIGHTS.monitor.model_copy(update={"contract": contract})
    case = FLIGHTS.model_copy(update={"monitor": monitor})
    rows = rows_per_day("arrivals", until=AS_OF - 9 * DAY).lazy()
    said = measure_volumes(case, {"arrivals": rows}, constant_profile(), AS_OF)
    assert {number.verdict for number in said} == {"ticket"}
    assert measure_predicted_rows(0, constant_profile(), monitor, START, AS_OF).verdict == "ticket"


def test_a_table_that_lands_seldom_is_not_expected() -> None:
    once = pl.DataFrame({FLIGHTS.tables["planes"].known_time: [START + DAY] * 3000})
    assert volumes_by_subject("planes", once) == {}


def test_measure_volumes_ignores_a_holiday_in_the_reference() -> None:
    quiet = known_column("arrivals").is_between(START + 20 * DAY, START + 27 * DAY)
    said = volumes_by_subject("arrivals", rows_per_day("arrivals").filter(~quiet))
    assert said["rows:arrivals"].reference == 70


@pytest.mark.parametrize(
    ("rows", "since", "verdict"),
    [(84, START, "ok"), (41, START, "page"), (0, START, "page"), (41, AS_OF - 3 * DAY, "ok")],
)
def test_predictions_are_due_since_the_first_champion(
    rows: int, since: datetime, verdict: str
) -> None:
    number = measure_predicted_rows(rows, constant_profile(), FLIGHTS.monitor, since, AS_OF)
    assert number.verdict == verdict


def test_more_nulls_than_in_the_worst_week_page_or_inform() -> None:
    informs = FLIGHTS.monitor.drift.informs[0]
    times = [START + i * timedelta(hours=1) for i in range(24 * 28)]
    full = pl.DataFrame({"distance": 1.0, informs: 1.0, "hourly": 1.0, "time": times})
    of = build_reference_profile(full, ["distance", informs, "hourly"], [], "time", DriftRule())
    gone = pl.when(pl.int_range(pl.len()) % 10 > 0).then(pl.col("distance", informs, "hourly"))
    drifts = measure_drift(full.with_columns(gone), of)
    said = {number.subject: number.verdict for number in measure_nulls(FLIGHTS, drifts, AS_OF)}
    assert said == {"nulls:distance": "page", f"nulls:{informs}": "inform"}
    slightly = pl.when(pl.int_range(pl.len()) % 25 > 0).then(pl.col("distance", informs, "hourly"))
    few = measure_nulls(FLIGHTS, measure_drift(full.with_columns(slightly), of), AS_OF)
    assert {number.verdict for number in few} == {"ok"}
