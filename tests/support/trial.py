"""Tries a use case on the sample rows beside its test, in a state folder that is thrown away."""

import shutil
from datetime import datetime
from pathlib import Path

import polars as pl

from configs.schema.loading import load_use_case
from configs.settings import settings
from tasks.checks.use_case import check_use_case
from tasks.features import retrieval
from tasks.ingestion import feature_refresh
from tests.support.landing import ingest_landed, rows_of


class Trial:
    """The sample of a use case, taken in as of `end`; `start` is before all of it."""

    def __init__(self, name: str, start: datetime, end: datetime) -> None:
        self.use_case = load_use_case(name)
        self._start, self._end = start, end
        for table, declared in self.use_case.tables.items():
            suffix = declared.files.partition(".")[2]
            sample = Path(__file__).parents[1] / "use_cases" / name / f"{table}.{suffix}"
            target = Path(settings().landing) / name / declared.files.replace("*", "sample")
            target.parent.mkdir(parents=True)
            shutil.copy(sample, target)
        self._verdicts = ingest_landed(self.use_case, end).verdicts

    def refused(self) -> list[str]:
        """Why files were refused."""
        return [verdict.reason for verdict in self._verdicts if verdict.status == "refused"]

    def quarantined(self) -> dict[str, list[str]]:
        """By table the rules that rows broke."""
        found = {t: rows_of(self.use_case, f"quarantine/{t}") for t in self.use_case.tables}
        return {
            table: rows["_reasons"].explode().unique().to_list()
            for table, rows in found.items()
            if rows.height
        }

    def wrong(self) -> list[str]:
        """What `mainspring check` has to say against it."""
        found = check_use_case(self.use_case.name)
        return [f"{f.subject}: {f.detail}" for f in found if f.verdict == "wrong"]

    def training_set(self) -> pl.DataFrame:
        """All labelled rows with their features, as a training run would see them."""
        feature_refresh.refresh_features(self.use_case, self._end)
        return retrieval.build_training_set(self.use_case, self._start, self._end, self._end)
