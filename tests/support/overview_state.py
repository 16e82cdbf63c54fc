"""Models with a year's ledger and any number of monitored weeks, for the overview."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from configs.schema.loading import load_use_case
from configs.settings import ROOT
from tasks.monitoring.measurements import MONITORING_TABLE
from tasks.storage.lake import open_lake
from tests.support.old_ledger import write_old_ledger

FIRST = datetime(2013, 4, 8, tzinfo=UTC)
WEEK = timedelta(days=7)


def write_use_case(folder: Path, name: str, title: str = "") -> None:
    """Write the YAML of flights under another name and title."""
    flights = yaml.safe_load((ROOT / "configs" / "flights.yaml").read_text())
    flights |= {"name": name, "title": title or flights["title"]}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(flights, sort_keys=False))


def write_ledger(state: Path, names: list[str]) -> None:
    """Write the ledger of a year for each name."""
    write_old_ledger(state / "ledger.db")
    with sqlite3.connect(state / "ledger.db") as database:
        columns = "seq, what, key, version, evidence, actor, at, recorded"
        for name in names:
            database.execute(
                f"insert into ledger (model, {columns}) select ?, {columns} from ledger "
                "where model = 'flights'",
                (name,),
            )
        database.execute("delete from ledger where model in ('oldest', 'flights')")


def write_measurements(name: str, weeks: int, seed: int = 0) -> datetime:
    """Write the monitoring table of a model; return the end of its last week."""
    rows = measured_weeks(name, weeks, seed)
    end = FIRST + (weeks - 1) * WEEK
    window, keys = (FIRST, end + WEEK), ("as_of", "kind", "subject")
    open_lake(name).replace_window(MONITORING_TABLE, rows, "as_of", window, keys=keys)
    return end


def measured_weeks(name: str, weeks: int, seed: int = 0) -> pl.DataFrame:
    """Return the measurements of weeks, as the monitor of flights writes them."""
    inputs = load_use_case(name).features.inputs
    random = np.random.default_rng(seed)
    ends = [FIRST + k * WEEK for k in range(weeks)]
    auc = 0.71 + np.cumsum(random.normal(0, 0.008, weeks)).clip(-0.09, 0.06)
    cost = 0.48 + np.cumsum(random.normal(0, 0.012, weeks)).clip(-0.1, 0.15)
    parts = [
        _rows("performance", "roc_auc", ends, auc, 0.72, low=auc - 0.02, high=auc + 0.02),
        _rows("performance", "cost", ends, cost, 0.47, low=cost - 0.03, high=cost + 0.03),
        _rows("performance", "roc_auc_5w", ends, auc + 0.003, 0.72, threshold=0.66),
        _rows("contract", "rows:predictions", ends, random.integers(5900, 6600, weeks), 6500.0,
              threshold=3250.0),
    ]  # fmt: skip
    for place, column in enumerate(inputs):
        limit = 0.1 if place % 3 else 5.0
        psi = np.abs(np.sin(np.arange(weeks) / 8 + place)) * limit * (0.5 + place % 5 / 5)
        parts.append(_rows("drift", column, ends, psi, 0.0, threshold=limit))
    return pl.concat(parts)


def _rows(kind, subject, ends, values, reference, *, threshold=None, low=None, high=None):
    count = len(ends)
    value = np.asarray(values, dtype=float)
    verdict = None
    if threshold is not None:
        bad = value > threshold if kind == "drift" else value < threshold
        verdict = np.where(bad, "inform" if kind == "drift" else "page", "ok")
    return pl.DataFrame(
        {
            "as_of": ends,
            "model_version": pl.Series([1 + k // 20 for k in range(count)], dtype=pl.Int64),
            "kind": kind,
            "subject": subject,
            "window_start": [end - WEEK for end in ends],
            "window_end": ends,
            "value": value,
            "reference": reference,
            "threshold": pl.Series([threshold] * count, dtype=pl.Float64),
            "coverage": pl.Series([0.97] * count, dtype=pl.Float64),
            "rows": pl.Series([6500] * count, dtype=pl.Int64),
            "verdict": pl.Series([None] * count if verdict is None else verdict, dtype=pl.String),
            "low": pl.Series([None] * count if low is None else low, dtype=pl.Float64),
            "high": pl.Series([None] * count if high is None else high, dtype=pl.Float64),
        }
    ).with_columns(pl.col("as_of", "window_start", "window_end").cast(pl.Datetime("us", "UTC")))
