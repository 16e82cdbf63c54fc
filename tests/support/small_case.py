"""A small use case from a few lines: files, rows and every step of the loop, without a server.

    with small_case(tmp_path) as parcels:              # parcels, as `mainspring new` would write it
        parcels.land("spring", parcel_rows(MARCH, days=40))
        parcels.ingest(APRIL)                          # validate, commit, refresh the features
        parcels.train(APRIL)                           # a boosting of eight trees
        parcels.promote()                              # by hand, as of the training
        parcels.land("day", parcel_rows(APRIL, days=1), at=APRIL)
        parcels.ingest(APRIL + DAY)
        parcels.score(APRIL + DAY)
        parcels.monitor(APRIL + DAY)
        parcels.assert_rows_add_up()
        parcels.assert_rows_answered(APRIL + DAY)

The steps are the functions of tasks/ that the flows call; only the Data Docs are not written. The
first step of a process imports its libraries, which takes seconds; after that a step takes a
fraction of a second. `tables`, `label`, `inputs` and `yaml` say what differs from parcels;
`rewrite` changes them later, as a user would who edits the files. The fixture `make_case` of
tests/conftest.py does the same without `with`.
"""

from __future__ import annotations

import importlib
import itertools
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import yaml as yaml_format

from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.features import feast_store, retrieval
from tasks.ingestion import feature_refresh
from tasks.ingestion.landing import FileVerdict
from tasks.ingestion.validation import FileValidator
from tasks.ledger.log import Entry, open_ledger
from tasks.model_cards.registration import register_candidate
from tasks.models.mlflow import client as mlflow_client
from tasks.promotion.manual_promotion import promote_manually
from tasks.replay.simulate import simulate_monitor, simulate_score
from tasks.rollout.prediction_log import PREDICTIONS
from tasks.storage.file_records import read_file_records
from tasks.storage.lake import open_lake
from tasks.training.candidate import record_candidate
from tasks.training.pipeline import train_model
from tests.support import small_case_files
from tests.support.landing import assert_rows_of_files_add_up, ingest_landed, rows_of
from tests.support.parcel_rows import APRIL, PARCELS
from tests.support.small_case_files import SmallDeclaration, SmallLabel, SmallTable
from tests.support.state import forget, state

Rows = pl.DataFrame | Sequence[Mapping[str, Any]] | str | bytes
_packages = itertools.count(1)
_folder = TemporaryDirectory()


@dataclass
class SmallCase:
    """A use case in a folder of its own, with all steps of the loop as methods."""

    folder: Path
    declaration: SmallDeclaration
    yaml: dict[str, Any] = field(default_factory=dict)
    last_training: tuple[int, datetime] | None = None
    _landed: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.declaration.name

    @property
    def use_case(self) -> UseCase:
        """The YAML as it is now."""
        return load_use_case(self.name)

    def rewrite(
        self, yaml: Mapping[str, Any] | None = None, transforms: str | None = None, **changes: Any
    ) -> None:
        """Write the files again, with changes of the declaration, the YAML or the module."""
        self.declaration = replace(self.declaration, **changes)
        self.yaml = merge_yaml(self.yaml, yaml or {})
        content = merge_yaml(small_case_files.use_case_yaml(self.declaration), self.yaml)
        package = self.folder / self.declaration.package
        package.mkdir(exist_ok=True)
        files = {
            f"configs/{self.name}.yaml": yaml_format.safe_dump(content, sort_keys=False),
            f"{package.name}/__init__.py": "",
            f"{package.name}/transforms.py": transforms
            or small_case_files.transforms_source(self.declaration),
            f"{package.name}/views.py": small_case_files.views_source(self.declaration),
            f"{package.name}/suites.py": small_case_files.suites_source(self.declaration),
        }
        for path, text in files.items():
            (self.folder / path).write_text(text)
        _forget_modules(package.name)

    def land(
        self, name: str, rows: Rows, at: datetime | None = None, table: str | None = None
    ) -> Path:
        """Write a file into the landing folder; return its path.

        Args:
            name: of the file; without a suffix it gets that of the table.
            rows: a frame or records, or the text or bytes of the file.
            at: its time of modification.
            table: by default the predicted one.
        """
        table = table or self.declaration.subject[0]
        suffix = "" if "." in name else f".{self.declaration.tables[table].suffix}"
        path = Path(settings().landing) / self.name / table / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(rows, str | bytes):
            path.write_bytes(rows.encode() if isinstance(rows, str) else rows)
        else:
            frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows)
            _write_rows(frame, path)
            self._landed[f"{table}/{path.name}"] = frame.height
        if at is not None:
            os.utime(path, (at.timestamp(), at.timestamp()))
        return path

    def ingest(self, as_of: datetime, *, retry_refused: bool = False) -> list[FileVerdict]:
        """Ingest what has landed and refresh the features, as the ingest flow does."""
        verdicts = ingest_landed(self.use_case, as_of, retry_refused=retry_refused).verdicts
        lake = open_lake(self.name)
        if all(lake.exists(f"raw/{table}") for table in self.declaration.tables):
            self.refresh(as_of)
        return verdicts

    def refresh(self, as_of: datetime) -> dict[str, int]:
        """Refresh the feature tables; return their versions."""
        return feature_refresh.refresh_features(self.use_case, as_of)

    def train(self, as_of: datetime, origin: str = "") -> int:
        """Train, register and record a candidate; return its version."""
        origin = origin or f"train:{as_of:%Y-%m-%d}"
        artifact = train_model(self.use_case, as_of)
        version = register_candidate(artifact, origin)
        record_candidate(open_ledger(), self.name, version, origin, as_of, "test")
        self.last_training = (version, as_of)
        return version

    def promote(self, version: int | None = None, as_of: datetime | None = None) -> Entry:
        """Make a version champion by hand, by default the last one as of its training."""
        last, trained = self.last_training or (1, APRIL)
        moment = as_of or trained
        return promote_manually(
            open_ledger(), self.use_case, version or last, moment, "test", "for a test"
        )

    def score(self, as_of: datetime, window: str | None = None) -> None:
        """Score as the score flow does."""
        simulate_score(self.use_case, as_of, window)

    def monitor(self, as_of: datetime) -> pl.DataFrame:
        """Monitor as the monitor flow does; return the measurements of this moment."""
        simulate_monitor(self.use_case, as_of)
        return rows_of(self.use_case, "monitoring").filter(pl.col("as_of") == as_of)

    def fresh_lake(self) -> None:
        """Begin with an empty lake and landing folder; ledger and models stay."""
        for folder in (settings().lake, settings().landing):
            shutil.rmtree(folder, ignore_errors=True)
        self._landed.clear()

    def raw(self, table: str | None = None) -> pl.DataFrame:
        """The rows of a raw table; no rows if it does not exist."""
        return rows_of(self.use_case, f"raw/{table or self.declaration.subject[0]}")

    def quarantined(self, table: str | None = None) -> pl.DataFrame:
        """The rows in quarantine, with `_reasons`."""
        return rows_of(self.use_case, f"quarantine/{table or self.declaration.subject[0]}")

    def refused(self) -> dict[str, str]:
        """The reason of each file that is refused now, by its path below the landing folder."""
        records = self.file_records()
        taken = set(records.filter(pl.col("status").is_in(["accepted", "duplicate"]))["path"])
        refused = records.filter(status="refused").sort("as_of")
        pairs = refused.select("path", "reason").iter_rows()
        return {path: reason for path, reason in pairs if path not in taken}

    def file_records(self) -> pl.DataFrame:
        """What the lake records of each landed file."""
        return read_file_records(self.use_case)

    def predictions(self, table: str = PREDICTIONS) -> pl.DataFrame:
        """The rows of a prediction table; no rows if it does not exist."""
        return rows_of(self.use_case, table)

    def ledger(self) -> list[Entry]:
        """All entries of the use case."""
        return open_ledger().entries(self.name)

    def assert_rows_add_up(self) -> None:
        """Rows landed = rows in raw + quarantined + rows of refused files, each told."""
        records, refused = self.file_records(), self.refused()
        assert all(refused.values()), "a refused file has no reason"
        by_path = dict(records.filter(status="accepted").select("path", "rows").iter_rows())
        untold = set(self._landed) - set(records["path"])
        assert not untold, f"no record of {untold}"
        for path, rows in self._landed.items():
            told = by_path.get(path, rows)  # a duplicate or a refused file counts as a whole
            assert told == rows, f"{path}: {rows} rows landed, {told} are told"
        assert_rows_of_files_add_up(self.use_case)

    def due_rows(self, as_of: datetime) -> pl.DataFrame:
        """The rows predicted from the first promotion up to `as_of`, known by then."""
        promoted = min(e.at for e in self.ledger() if e.what == "promoted")
        return retrieval.build_spine(self.use_case, promoted, as_of, as_of)

    def assert_rows_answered(self, as_of: datetime, missing: int = 0) -> None:
        """Rows due by `as_of` = rows that are predicted once + rows that are missing."""
        keys, predicted = list(self.use_case.spine.key), self.predictions()
        assert not predicted.select(keys).is_duplicated().any(), "a row is predicted twice"
        unanswered = self.due_rows(as_of).join(predicted, on=keys, how="anti")
        assert unanswered.height == missing, unanswered


@contextmanager
def small_case(
    folder: Path,
    name: str = "parcels",
    tables: Mapping[str, SmallTable] | None = None,
    label: SmallLabel | None = None,
    inputs: tuple[str, ...] = (),
    yaml: Mapping[str, Any] | None = None,
    **variables: str,
) -> Iterator[SmallCase]:
    """A use case in a state of its own, until the end of the block.

    Args:
        folder: where all of it is written; empty.
        name: of the use case.
        tables: by name; the first one is predicted. Default: parcels.
        label: by default `damaged`, known after three days.
        inputs: of the model; by default every column that is no key, time or label.
        yaml: fields that differ from those of `use_case_yaml`, merged into them.
        variables: environment variables of the state.
    """
    package = f"small_{name}_{next(_packages)}"  # of its own: modules stay imported in a process
    declaration = SmallDeclaration(
        name, package, tables or {name: PARCELS}, label or SmallLabel(), inputs
    )
    (folder / "configs").mkdir(parents=True)
    (folder / "state").mkdir()
    shutil.copy(_mlflow_database(), folder / "state" / "mlflow.db")
    places = {"MAINSPRING_USE_CASES": str(folder / "configs"), **variables}
    with state(folder / "state", places) as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(FileValidator, "write_docs", lambda _: "")  # most of the time of an ingest
        case = SmallCase(folder, declaration)
        case.rewrite(yaml)
        yield case
        _forget_modules(package)


def merge_yaml(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge changes into nested mappings; None removes a field."""
    merged = dict(base)
    for name, value in changes.items():
        inner = merged.get(name)
        both = isinstance(value, Mapping) and isinstance(inner, Mapping)
        merged[name] = merge_yaml(inner, value) if both else value
    return {name: value for name, value in merged.items() if value is not None}


@cache
def _mlflow_database() -> Path:
    """An empty database of MLflow: its migrations take seconds, a copy does not."""
    path = Path(_folder.name) / "mlflow.db"
    mlflow_client.migrate_mlflow(f"sqlite:///{path}")
    return path


def _write_rows(rows: pl.DataFrame, path: Path) -> None:
    if path.suffix == ".parquet":
        rows.write_parquet(path)
    else:
        rows.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")


def _forget_modules(package: str) -> None:
    """Import a package's modules again the next time, as a new process would."""
    importlib.invalidate_caches()
    for module in [m for m in sys.modules if m.split(".")[0] == package]:
        del sys.modules[module]
    feast_store._opened.clear()
    forget()
