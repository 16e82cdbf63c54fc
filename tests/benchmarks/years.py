"""The benchmark's data: the flights of 2013, and the same year again, further and further back.

Copy number k of a row lies 371 days times k earlier in all its times (53 weeks: weekdays stay, and
the years do not overlap). Keys hold the date, so they differ, and history grows as it does in life:
with time. 337k rows are one year, 3.4M ten, 34M a hundred. The product builds feature tables and
model of the real year; the copies are copied. Everything is made once, and kept below one folder.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.util import Finalize
from pathlib import Path

import polars as pl
from deltalake import CommitProperties, DeltaTable, write_deltalake
from polars import selectors

from configs.schema.loading import load_use_case
from configs.settings import settings
from infra.storage.delta import list_data_files
from tasks.ledger.log import Entry, open_ledger
from tasks.storage.lake import NEW_TABLE_PROPERTIES, open_lake

NAME = "flights"
YEAR_ROWS = 336_776
END = datetime(2014, 1, 1, tzinfo=UTC)
ESTIMATOR = "estimator.joblib"
_APART = timedelta(days=371)
TRAINED_AT = datetime(2013, 4, 1, tzinfo=UTC)
_BEGIN = datetime(2012, 12, 31, tzinfo=UTC)
_ALWAYS = datetime(1700, 1, 1, tzinfo=UTC)


def years(rows: int) -> int:
    """How many years hold about that many flights."""
    return max(1, round(rows / YEAR_ROWS))


def span(rows: int) -> tuple[datetime, datetime]:
    """From when to when about that many flights are predicted; less than a year is its end."""
    days = min(366, max(1, round(365 * rows / YEAR_ROWS)))
    return END - timedelta(days=days) - (years(rows) - 1) * _APART, END


def place(folder: Path, rows: int) -> dict[str, str]:
    """The settings of a process that works on a size: one state for all, a lake for each."""
    size = rows if rows < YEAR_ROWS else years(rows) * YEAR_ROWS
    return {
        "MAINSPRING_STATE": str(folder),
        "MAINSPRING_LAKE": str(folder / f"lake-{size}"),
        "MAINSPRING_LANDING": str(folder / f"landing-{size}"),
    }


def make_lake(rows: int) -> None:
    """The raw and feature tables of a size, in the lake of the settings."""
    lake = Path(settings().lake)
    if years(rows) == 1:
        _once(lake, partial(_make_year, rows))
    else:
        one = Path(place(lake.parent, YEAR_ROWS)["MAINSPRING_LAKE"])
        _once(lake, partial(_repeat, one, years(rows)))


def make_model(_: int) -> None:
    """A champion for all of history, trained on January to March of the real year; and the fitted
    scikit-learn estimator, for those who would use it as it is.
    """
    _once(settings().state / "model", _train)


def make_joined(rows: int) -> None:
    """The rows of a size with their features, as the model takes them."""
    from tasks.features import retrieval

    def make(path: Path) -> None:
        flights = load_use_case(NAME)
        asked = retrieval.build_spine(flights, *span(rows), END)
        retrieval.join_features(flights, asked).write_parquet(path)

    _once(_joined(rows), make)


def joined(rows: int) -> pl.DataFrame:
    """What `make_joined` made."""
    return pl.read_parquet(_joined(rows))


def make_landing(_: int) -> Path:
    """The raw rows of a size as files of ten days each; the folder."""
    folder = Path(settings().landing, NAME)
    _once(folder, _land)
    return folder


def borrow_lake(without: str) -> str:
    """Work in a copy of the lake that goes away with this process, without one of its folders.

    Data files are never changed, so links to them are a copy.
    """
    lake = Path(settings().lake)
    own = lake.with_name(f"{lake.name}-{os.getpid()}")
    gone = shutil.ignore_patterns(without) if without else None
    shutil.copytree(lake, own, copy_function=os.link, ignore=gone)
    Finalize(None, shutil.rmtree, (own,), {"ignore_errors": True}, exitpriority=0)
    os.environ |= {"MAINSPRING_LAKE": str(own), "MAINSPRING_REPORTS": f"{own}/reports"}
    settings.cache_clear()
    return str(own)


def _make_year(rows: int, folder: Path) -> None:
    from tasks.ingestion import feature_refresh
    from tests.support import lake_rows

    flights, start = load_use_case(NAME), span(rows)[0] - timedelta(days=2)
    with _lake(folder):
        for table in flights.tables:  # planes are published before the year begins, and only then
            since = _BEGIN if table == "planes" else start
            known = lake_rows.read_known_rows(flights, table, since, END)
            lake_rows.append_rows(flights, table, "the real year", known)
        feature_refresh.refresh_features(flights, END)


def _repeat(one: Path, times: int, folder: Path) -> None:
    for log in sorted(one.glob(f"{NAME}/*/*/_delta_log")):
        table = str(log.parent.relative_to(one))
        files = [log.parent / file for file in list_data_files(DeltaTable(log.parent))]
        rows = pl.scan_parquet(files, glob=False).collect()
        for copy in reversed(range(times)):
            back = rows.with_columns(selectors.datetime() - copy * _APART)
            note = {"raw": dict.fromkeys(load_use_case(NAME).tables, times - 1), "built_to": END}
            said = CommitProperties(custom_metadata={"mainspring": json.dumps(note, default=str)})
            write_deltalake(
                folder / table,
                back,
                mode="append",
                configuration=NEW_TABLE_PROPERTIES,
                commit_properties=said,
            )


def _joined(rows: int) -> Path:
    lake = place(settings().state, rows)["MAINSPRING_LAKE"]
    return Path(f"{lake}-joined.parquet")


def _land(folder: Path) -> None:
    """Fortnights, because no file may hold more than 20,000 flights."""
    for name, declared in load_use_case(NAME).tables.items():
        rows = open_lake(NAME).scan(f"raw/{name}").select(list(declared.columns)).collect()
        number = ((pl.col(declared.known_time) - _ALWAYS).dt.total_days() // 10).alias("number")
        parts = rows.with_columns(number).partition_by("number", as_dict=True, include_key=False)
        (folder / name).mkdir(parents=True)
        for (which,), part in parts.items():
            path = folder / declared.files.replace("*", str(which))
            if path.suffix == ".csv":
                part.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
            else:
                part.write_parquet(path)


def _train(folder: Path) -> None:
    import joblib

    from tasks.features import raw_tables, retrieval
    from tasks.models.registry import register_version
    from tasks.training import fit
    from tasks.training.onnx_export import export_candidate
    from tasks.training.pipeline import FittedModel, build_artifact

    flights = load_use_case(NAME)
    frame = retrieval.build_training_set(flights, TRAINED_AT - timedelta(days=90), TRAINED_AT, END)
    parts = fit.split_training_rows(flights, frame, TRAINED_AT)
    fitted = fit.fit_candidate(flights, "boosting", parts)
    model = FittedModel(parts, [fitted], export_candidate(flights, fitted, parts))
    artifact = build_artifact(flights, model, raw_tables.read_table_versions(flights))
    version = register_version(artifact, "benchmark")
    open_ledger().record(Entry(NAME, "promoted", "decision:1", _ALWAYS, "benchmark", version))
    folder.mkdir()
    joblib.dump(fitted.estimator, folder / ESTIMATOR)


def _once(folder: Path, make: Callable[[Path], None]) -> None:
    """Let `make` fill a folder, unless it is there; one that was killed leaves none."""
    if folder.exists():
        return
    aside = folder.with_name(f"{folder.name}.{os.getpid()}")
    make(aside)
    aside.rename(folder)


@contextmanager
def _lake(folder: Path) -> Iterator[None]:
    before = os.environ["MAINSPRING_LAKE"]
    os.environ["MAINSPRING_LAKE"] = str(folder)
    settings.cache_clear()
    yield
    os.environ["MAINSPRING_LAKE"] = before
    settings.cache_clear()
