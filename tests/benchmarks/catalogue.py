"""What is measured: the stages, who does each, and which ratios are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.benchmarks.stages import (
    dask,
    drift,
    historical,
    ingest,
    model,
    online,
    scoring,
    stream,
    tables,
    training,
)
from tests.benchmarks.work import Contender
from tests.benchmarks.years import YEAR_ROWS


@dataclass(frozen=True)
class Ratio:
    """How many times as long `slow` takes as `fast`, and the bound that it should keep: in CPU
    seconds, or by the clock where processes share the work.
    """

    slow: str
    fast: str
    at_most: float | None = None
    at_least: float | None = None
    by_the_clock: bool = False

    def wanted(self) -> str:
        """The bound, for people."""
        bounds = {"≤": self.at_most, "≥": self.at_least}
        return " ".join(f"{sign} {bound:g}" for sign, bound in bounds.items() if bound is not None)

    def holds(self, found: float) -> bool:
        """Whether a ratio keeps the bound."""
        above = self.at_most is not None and found > self.at_most
        return not above and (self.at_least is None or found >= self.at_least)


@dataclass(frozen=True)
class Stage:
    """Contenders by name; what of years.py must be made first; the sizes it is done at;
    contenders that `ends` names take so long that they are not tried with more rows; those of
    `at_once` hold all rows in memory, and are not tried with more than 10 million.
    """

    contenders: Mapping[str, Contender]
    ratios: tuple[Ratio, ...] = ()
    needs: tuple[str, ...] = ()
    smallest: int = 0
    largest: int = 4_000_000
    ends: tuple[str, ...] = ()
    at_once: tuple[str, ...] = ()


STAGES = {
    "historical features": Stage(
        {
            "ours": historical.ours,
            "bare polars": historical.polars,
            "Feast's DuckDB": historical.duckdb,
        },
        (Ratio("ours", "bare polars", at_most=1.5), Ratio("Feast's DuckDB", "ours", at_least=20)),
        needs=("lake",),
        ends=("Feast's DuckDB",),
    ),
    "model": Stage(
        {
            "ours": model.ours,
            "matrix alone": model.matrix,
            "bare ONNX": model.onnx,
            "sklearn": model.sklearn,
        },
        (Ratio("ours", "bare ONNX"), Ratio("sklearn", "ours")),
        needs=("lake", "model", "joined"),
        largest=YEAR_ROWS + 1000,
    ),
    "scoring": Stage(
        {"ours": scoring.ours, "raw parts": scoring.raw, "obvious stack": scoring.obvious},
        (Ratio("ours", "raw parts", at_most=2), Ratio("obvious stack", "ours", at_least=5)),
        needs=("lake", "model"),
        largest=110_000_000,
        ends=("obvious stack",),
        at_once=("raw parts", "obvious stack"),
    ),
    "drift": Stage(
        {"ours": drift.ours, "histograms": drift.histograms, "Evidently": drift.evidently},
        (Ratio("ours", "histograms"), Ratio("Evidently", "ours", at_least=50)),
        needs=("lake", "model", "joined"),
        ends=("Evidently",),
    ),
    "ingest": Stage(
        {"ours": ingest.ours, "read and write": ingest.bare},
        (Ratio("ours", "read and write"),),
        needs=("lake", "landing"),
        largest=YEAR_ROWS + 1000,
    ),
    "feature tables": Stage(
        {"a day": tables.by_day, "all again": tables.all_again},
        (Ratio("all again", "a day"),),
        needs=("lake",),
        largest=YEAR_ROWS + 1000,
    ),
    "Dask": Stage(
        {"one worker": dask.one, "two workers": dask.two},
        (Ratio("one worker", "two workers", at_least=1.7, by_the_clock=True),),
        needs=("lake", "model"),
        smallest=3_000_000,
    ),
    "online": Stage(
        {"ours": online.ours, "ours, logged": online.logged, "bare ASGI": online.bare},
        (Ratio("ours", "bare ASGI", at_most=2), Ratio("ours, logged", "ours", at_most=1.25)),
        needs=("lake", "model", "joined"),
        largest=YEAR_ROWS + 1000,
    ),
    "stream": Stage(
        {
            "ours": stream.ours,
            "ours, logged": stream.logged,
            "bare loop": stream.bare,
            "5,000 a second": stream.paced,
            "2,500 a second": stream.half_load,
        },
        (
            Ratio("ours", "bare loop", at_most=2),
            Ratio("ours", "5,000 a second", at_most=1, by_the_clock=True),
            Ratio("ours, logged", "5,000 a second", at_most=1, by_the_clock=True),
        ),
        needs=("lake", "model", "joined"),
        largest=YEAR_ROWS + 1000,
    ),
    "retraining": Stage({"ours": training.ours}, needs=("lake",), largest=YEAR_ROWS + 1000),
}
FLOWS = (
    "ingest", "materialize", "score", "monitor", "train", "retrain", "promote", "rollback",
    "watch", "reconcile",
)  # fmt: skip
LOADED = ("prefect", *(f"flows.{name}" for name in FLOWS))
