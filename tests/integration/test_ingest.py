"""Good and bad feeds through the plain steps of ingest: nothing is lost in any of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from configs.schema.use_case import UseCase
from tasks.ingestion.landing import FileVerdict
from tasks.storage.file_records import read_file_records
from tests.support.landing import AS_OF, ingest_landed, ingest_versions, land_files, rows_of


def rewrite(path: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> int:
    """Change the rows of a landed Parquet file; how many it holds then."""
    rows = change(pl.read_parquet(path))
    rows.write_parquet(path)
    return rows.height


def only(verdicts: list[FileVerdict]) -> FileVerdict:
    (verdict,) = verdicts
    return verdict


def assert_nothing_lost(flights: UseCase) -> None:
    """Every row of every file that was taken is in raw or in quarantine, once."""
    taken = read_file_records(flights).filter(status="accepted")
    for (table,), files in taken.partition_by("table", as_dict=True).items():
        raw, bad = rows_of(flights, f"raw/{table}"), rows_of(flights, f"quarantine/{table}")
        assert raw.height == files["accepted"].sum()
        assert bad.height == files["quarantined"].sum()
        assert raw.height + bad.height + files["repeated"].sum() == files["rows"].sum()


def test_days_land_once(flights: UseCase) -> None:
    for table in ("schedules", "departures", "arrivals", "weather"):
        land_files(table, days=2)
    intake = ingest_landed(flights)
    assert {v.status for v in intake.verdicts} == {"accepted"}
    assert len(intake.verdicts) == 8
    assert all(v.rows > 50 and v.quarantined == 0 for v in intake.verdicts)
    assert_nothing_lost(flights)
    before = ingest_versions(flights)
    assert ingest_landed(flights, AS_OF + timedelta(days=1)).verdicts == []
    assert ingest_versions(flights) == before
    land_files("weather", AS_OF.date() - timedelta(days=1))
    assert only(ingest_landed(flights).verdicts).file.path == "weather/2013-01-04.csv"
    assert_nothing_lost(flights)


def test_a_truncated_parquet_is_refused_and_the_others_go_on(flights: UseCase) -> None:
    broken, _ = land_files("arrivals", days=2)
    broken.write_bytes(broken.read_bytes()[:-1000])
    refused, accepted = ingest_landed(flights).verdicts
    assert refused.status == "refused"
    assert "arrivals/2013-01-02.parquet: not readable as Parquet" in refused.reason
    assert accepted.status == "accepted"
    assert broken.exists()
    assert_nothing_lost(flights)


def test_ingest_retries_a_refused_file_if_asked_or_changed(flights: UseCase) -> None:
    (path,) = land_files("arrivals")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    ingest_landed(flights)
    before = ingest_versions(flights)
    assert ingest_landed(flights).verdicts == []
    assert only(ingest_landed(flights, retry_refused=True).verdicts).status == "refused"
    assert ingest_versions(flights) == before
    path.write_bytes(whole)
    assert only(ingest_landed(flights).verdicts).status == "accepted"
    assert ingest_landed(flights, retry_refused=True).verdicts == []


def test_a_csv_with_a_missing_column_is_refused(flights: UseCase) -> None:
    (path,) = land_files("weather")
    pl.read_csv(path).drop("wind_gust").write_csv(path)
    verdict = only(ingest_landed(flights).verdicts)
    assert verdict.status == "refused"
    assert "weather/2013-01-02.csv: column wind_gust is missing" in verdict.reason


def test_a_copy_is_recorded_and_not_taken(flights: UseCase) -> None:
    (path,) = land_files("departures")
    path.with_name("2013-01-02-again.parquet").write_bytes(path.read_bytes())
    original, copy = sorted(ingest_landed(flights).verdicts, key=lambda v: v.status)
    assert (original.status, copy.status) == ("accepted", "duplicate")
    assert_nothing_lost(flights)
    path.with_name("moved.parquet").write_bytes(path.read_bytes())
    late_copy = only(ingest_landed(flights).verdicts)
    assert late_copy.status == "duplicate"
    assert late_copy.file.copy_of == original.file.path


@pytest.mark.parametrize("content", ["", "only the header"])
def test_an_empty_file_is_refused(flights: UseCase, content: str) -> None:
    (path,) = land_files("weather")
    path.write_text(path.read_text().splitlines()[0] + "\n" if content else "")
    verdict = only(ingest_landed(flights).verdicts)
    assert verdict.status == "refused"
    assert ("row_count" if content else "the file is empty") in verdict.reason


def test_a_day_of_nulls_goes_to_quarantine(flights: UseCase) -> None:
    (path,) = land_files("departures")
    rows = rewrite(path, lambda d: d.with_columns(delay=pl.lit(None, pl.Float64)))
    verdict = only(ingest_landed(flights).verdicts)
    assert (verdict.rows, verdict.accepted, verdict.quarantined) == (rows, 0, rows)
    bad = rows_of(flights, "quarantine/departures")
    assert bad["_reasons"].to_list() == [["values_to_not_be_null(delay)"]] * rows


def test_a_day_without_known_times_is_refused(flights: UseCase) -> None:
    (path,) = land_files("departures")
    rewrite(path, lambda d: d.with_columns(reported=pl.lit(None, d.schema["reported"])))
    verdict = only(ingest_landed(flights).verdicts)
    assert verdict.status == "refused"
    assert "max_to_be_between(reported) found NaT" in verdict.reason


def test_a_renamed_carrier_is_accepted_for_drift_to_judge(flights: UseCase) -> None:
    (path,) = land_files("schedules")
    rows = rewrite(path, lambda d: d.with_columns(pl.col("carrier").replace("UA", "UNITED")))
    assert only(ingest_landed(flights).verdicts).accepted == rows
    assert "UNITED" in rows_of(flights, "raw/schedules")["carrier"]


def test_tomorrows_timestamps_are_refused_until_tomorrow(flights: UseCase) -> None:
    land_files("arrivals")
    today = datetime(2013, 1, 2, 12, tzinfo=UTC)
    verdict = only(ingest_landed(flights, today).verdicts)
    assert verdict.status == "refused"
    assert "reported" in verdict.reason
    assert "2013-01-02 12:00:00+00:00" in verdict.reason
    tomorrow = today + timedelta(days=1)
    assert only(ingest_landed(flights, tomorrow, retry_refused=True).verdicts).status == "accepted"
    assert_nothing_lost(flights)


def test_rows_that_landed_before_count_as_copies(flights: UseCase) -> None:
    (path,) = land_files("departures")
    rows = ingest_landed(flights).verdicts[0].rows
    later = timedelta(minutes=5)
    correction = pl.read_parquet(path).head(1).with_columns(pl.col("reported") + later)
    rewrite(path, lambda d: pl.concat([d, correction]))
    verdict = only(ingest_landed(flights).verdicts)
    assert (verdict.accepted, verdict.quarantined, verdict.repeated) == (1, 0, rows)
    assert_nothing_lost(flights)


def test_a_row_twice_in_a_file_is_told_from_a_correction(flights: UseCase) -> None:
    (path,) = land_files("departures")
    other = pl.col("delay") + 1
    rows = rewrite(path, lambda d: pl.concat([d, d.head(2), d.head(1).with_columns(other)]))
    verdict = only(ingest_landed(flights).verdicts)
    assert (verdict.accepted, verdict.quarantined, verdict.repeated) == (rows - 4, 2, 2)
    assert verdict.reason == "rows_differ(carrier, flight, origin, flight_date, reported)"
