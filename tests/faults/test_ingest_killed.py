"""An ingest that is killed between any two of its commits, and run again, leaves the same state."""

import os
import signal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.ingestion.ingest import commit_rows, validate_files
from tasks.ingestion.landing import discover_files, record_files
from tasks.ingestion.validated_files import ValidatedFiles
from tasks.storage.file_records import read_file_records
from tasks.storage.lake import Lake
from tests.support.fork_server import fork
from tests.support.landing import AS_OF, ingest_landed, ingest_versions, land_files, rows_of


def land_some() -> None:
    """Two days of weather with wrong winds in each, and one of departures."""
    for path in land_files("weather", days=2):
        rows = pl.read_csv(path)
        wrong = pl.when(pl.int_range(pl.len()) < 5).then(900.0).otherwise("wind_speed")
        rows.with_columns(wrong.alias("wind_speed")).write_csv(path)
    land_files("departures")


def killed_after(commits: int, flights: UseCase) -> int | None:
    """Run the commits of an ingest in a process that kills itself; its exit code."""
    process = fork(
        commit_some, commits, flights, validate_files(flights, discover_files(flights), AS_OF)
    )
    process.join(120)
    return process.exitcode


def commit_some(commits: int, flights: UseCase, intake: ValidatedFiles) -> None:
    """Commit what was examined, and die before one commit more than `commits`."""
    commit, left = Lake.append_once, iter(range(commits))

    def dying(lake: Lake, *given: Any) -> bool:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return commit(lake, *given)

    Lake.append_once = dying  # type: ignore[method-assign]
    commit_rows(flights, intake)
    record_files(flights, intake.verdicts, AS_OF)


def ingested_state(flights: UseCase) -> dict[str, pl.DataFrame]:
    tables = ("raw/weather", "raw/departures", "quarantine/weather", "quarantine/departures")
    files = read_file_records(flights).sort("path").drop("modified", "changed")
    return {"files": files, **{table: rows_of(flights, table) for table in tables}}


def test_a_kill_between_commits_changes_nothing_in_the_end(
    home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    flights = load_use_case("flights")
    land_some()
    ingest_landed(flights)
    wanted = ingested_state(flights)
    assert wanted["quarantine/weather"].height == 10
    commits = 5  # quarantine and raw of two tables, and files
    for left in range(commits):
        fresh = tmp_path_factory.mktemp(f"killed{left}")
        monkeypatch.setenv("MAINSPRING_STATE", str(fresh))
        settings.cache_clear()
        land_some()
        assert killed_after(left, flights) == -signal.SIGKILL
        ingest_landed(flights)
        found = ingested_state(flights)
        assert {name: rows.height for name, rows in found.items()} == {
            name: rows.height for name, rows in wanted.items()
        }
        assert all(found[name].equals(wanted[name]) for name in wanted), f"after {left} commits"
        before = ingest_versions(flights)
        assert ingest_landed(flights).verdicts == []
        assert ingest_versions(flights) == before


def test_ingest_after_kill_keeps_committed_rows_of_other_files(
    home: Path,
) -> None:
    """The new file sorts first and brings rows that the killed run has committed already."""
    flights = load_use_case("flights")
    (path,) = land_files("departures")
    assert killed_after(2, flights) == -signal.SIGKILL  # its rows are in, its record is not
    rows = pl.read_parquet(path)
    rows.head(100).write_parquet(path.with_name("2013-01-01-late.parquet"))
    late, first = ingest_landed(flights).verdicts
    assert (late.accepted, late.quarantined, late.repeated) == (0, 0, 100)
    assert (first.accepted, first.quarantined) == (rows.height, 0)
    assert rows_of(flights, "raw/departures").height == rows.height
