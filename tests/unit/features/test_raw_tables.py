"""Tables without times: their first rows are known from a day that the YAML says, later ones from
when they were found.
"""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.features import raw_tables
from tests.support.landing import ingest_landed, rows_of

FIRST, FOUND = datetime(2012, 12, 31, tzinfo=UTC), datetime(2013, 2, 1, tzinfo=UTC)


@pytest.fixture
def planes(home: Path) -> UseCase:
    """The flights with planes that say nothing of time, and nothing else."""
    flights = load_use_case("flights")
    static = {
        "files": "planes/*.csv",
        "columns": {"tailnum": "text", "seats": "number"},
        "keys": ["tailnum"],
        "known_from": "2012-12-31",
        "suite": "anything",
    }
    table = type(flights.tables["planes"]).model_validate(static)
    changes = {"tables": {"planes": table}, "expectations": __name__}
    return flights.model_copy(update=changes)


def anything(as_of: datetime) -> list[object]:
    from great_expectations.expectations import ExpectTableRowCountToBeBetween

    return [ExpectTableRowCountToBeBetween(min_value=1)]


def land_planes(name: str, *lines: str) -> None:
    path = Path(settings().landing) / "flights" / "planes" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["tailnum,seats", *lines, ""]))


def test_static_rows_are_known_from_the_day_given(planes):
    land_planes("all.csv", "N1,20", "N2,", "N2,30")
    ingest_landed(planes, datetime(2013, 1, 5, tzinfo=UTC))
    land_planes("again.csv", "N1,22", "N3,50")
    ingest_landed(planes, FOUND)
    rows = rows_of(planes, "raw/planes").select("tailnum", "seats", "_known")
    assert sorted(rows.rows()) == [
        ("N1", 20.0, FIRST),
        ("N1", 22.0, FOUND),
        ("N3", 50.0, FOUND),
    ]
    refused = rows_of(planes, "quarantine/planes")
    assert refused["tailnum"].to_list() == ["N2", "N2"], "a file names a key once"


def test_what_is_known_by_a_moment_leaves_later_rows_out(planes):
    land_planes("all.csv", "N1,20")
    ingest_landed(planes, FIRST)
    land_planes("again.csv", "N1,22")
    ingest_landed(planes, FOUND)
    before = raw_tables.scan_raw_tables(planes, datetime(2013, 1, 31, tzinfo=UTC))["planes"]
    assert before.select(pl.col("seats")).collect()["seats"].to_list() == [20.0]


def test_taking_again_after_a_kill_changes_no_time(planes):
    from tasks.ingestion.ingest import commit_rows, validate_files
    from tasks.ingestion.landing import discover_files

    land_planes("all.csv", "N1,20")
    commit_rows(
        planes, validate_files(planes, discover_files(planes), FIRST)
    )  # and killed before the record
    intake = ingest_landed(planes, FOUND)
    assert [verdict.accepted for verdict in intake.verdicts] == [1]
    assert rows_of(planes, "raw/planes")["_known"].to_list() == [FIRST]
