"""The plain steps of an ingest without Prefect, and landed files to try it on."""

import shutil
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from configs.schema.use_case import UseCase
from configs.settings import settings
from feature_repo.flights.source import write_landing
from tasks.ingestion.ingest import commit_rows, validate_files
from tasks.ingestion.lake_types import require_declared_types
from tasks.ingestion.landing import discover_files, record_files
from tasks.ingestion.validated_files import ValidatedFiles
from tasks.storage.file_records import read_file_records
from tasks.storage.lake import open_lake

DAY = date(2013, 1, 2)
AS_OF = datetime(2013, 1, 5, tzinfo=UTC)
_FOLDER = TemporaryDirectory()


@cache
def real_files() -> Path:
    """A folder with the landed files of 1 to 4 January, written once."""
    write_landing(Path(_FOLDER.name), date(2013, 1, 1), date(2013, 1, 5))
    return Path(_FOLDER.name)


def land_files(table: str, day: date = DAY, days: int = 1) -> list[Path]:
    """Copy real files of a table into the landing folder of the flights."""
    landed = []
    for path in sorted((real_files() / table).iterdir()):
        if day <= date.fromisoformat(path.stem) < day + timedelta(days=days):
            target = Path(settings().landing) / "flights" / table / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            landed.append(Path(shutil.copy(path, target)))
    return landed


def ingest_landed(
    use_case: UseCase, as_of: datetime = AS_OF, *, retry_refused: bool = False
) -> ValidatedFiles:
    """What the flow does, up to the features."""
    intake = validate_files(use_case, discover_files(use_case, retry_refused, as_of), as_of)
    commit_rows(use_case, intake)
    record_files(use_case, intake.verdicts, as_of)
    require_declared_types(use_case)
    return intake


def rows_of(use_case: UseCase, table: str) -> pl.DataFrame:
    """All rows of a lake table in an order of their own; no rows if it does not exist."""
    lake = open_lake(use_case.name)
    if not lake.exists(table):
        return pl.DataFrame()
    return lake.scan(table).collect().sort(pl.all().exclude(pl.List(pl.String)))


def ingest_versions(use_case: UseCase) -> dict[str, int]:
    """The version of every table that an ingest may commit to."""
    names = [f"{kind}/{table}" for kind in ("raw", "quarantine") for table in use_case.tables]
    return open_lake(use_case.name).versions([*names, "files"])


def assert_rows_of_files_add_up(use_case: UseCase) -> None:
    """Rows of a file = accepted + quarantined + repeated ones, and the lake has as many."""
    taken = read_file_records(use_case).filter(status="accepted")
    counted = taken["accepted"] + taken["quarantined"] + taken["repeated"]
    assert counted.to_list() == taken["rows"].to_list()
    for table in use_case.tables:
        counts = taken.filter(table=table).select("accepted", "quarantined").sum().row(0)
        found = (rows_of(use_case, f"{kind}/{table}").height for kind in ("raw", "quarantine"))
        assert counts == tuple(found), table
