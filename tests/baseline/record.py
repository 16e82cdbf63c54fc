"""Record results of the product, so that a change of its structure is shown to change nothing.

Everything is reached by what does not move: the flows, the `mainspring` command, the landed files,
and the tables on disk, which are read without Mainspring's own code.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import yaml

ROOT = Path(__file__).parents[2]
TRAINED = datetime(2013, 1, 22, tzinfo=UTC)
SCORED = TRAINED + timedelta(days=7)
POLICIES = ("never", "monthly", "performance")
# "files": digests of the card, which holds measured times
_CLOCKS = {"run_id", "run", "recorded", "revision", "footprint", "files"}  # differ from run to run
_LATER = {"low", "high"}  # columns of the monitoring table that came after the recording
_PROSE = {"message", "reason", "asked", "measured"}  # words about numbers that stand beside them
_WEEK_TABLES = ("raw", "quarantine", "features", "predictions", "shadows", "monitoring")


def small_flights(folder: Path) -> None:
    """Write the YAML of flights with small models and spans, as the only use case of `folder`."""
    flights = yaml.safe_load((ROOT / "configs" / "flights.yaml").read_text())
    flights["split"] = {"validation": "4d", "holdout": "5d", "min_rows": 1000}
    flights["candidates"]["boosting"]["params"]["max_iter"] = 20
    flights["monitor"]["performance"] = [
        {"metric": "calibration_gap", "window": "7d", "worse_by": 0.02}
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "flights.yaml").write_text(yaml.safe_dump(flights))


def play_week(state: Path) -> None:
    """Ingest three weeks, train and promote, then ingest, score and monitor the week after.

    `state` is the state folder that the settings name; a Prefect server must answer.
    """
    from flows.ingest import ingest
    from flows.monitor import monitor
    from flows.promote import promote
    from flows.score import score
    from flows.train import train

    land_flights(state, date(2012, 12, 31), TRAINED.date())  # the planes are known since then
    ingest("flights", TRAINED)
    promote("flights", train("flights", TRAINED), TRAINED)
    land_flights(state, TRAINED.date(), SCORED.date())
    ingest("flights", SCORED)
    score("flights", SCORED, "7d")
    monitor("flights", SCORED, report=False)


def land_flights(state: Path, start: date, end: date) -> None:
    """Land the files of the days [start, end)."""
    from feature_repo.flights.source import write_landing

    write_landing(state / "landing" / "flights", start, end)


def record_week(state: Path, folder: Path) -> None:
    """Write what `play_week` left: the tables, a summary of each, and the ledger's entries."""
    lake = state / "lake" / "flights"
    tables = {}
    for log in sorted(lake.rglob("_delta_log")):
        name = log.parent.relative_to(lake).as_posix()
        if name.partition("/")[0] in _WEEK_TABLES:
            tables[name] = without_clocks(pl.scan_delta(str(log.parent)).collect())
    write_json(folder / "week.json", {name: summary_of(rows) for name, rows in tables.items()})
    write_json(folder / "week_ledger.json", ledger_entries(state / "ledger.db"))
    for name, rows in tables.items():
        path = folder / "tables" / f"{name.replace('/', '.')}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows.write_parquet(path)


def record_replays(folder: Path, work: Path) -> None:
    """Replay flights and visits with the `mainspring` command; write their numbers and ledgers."""
    land_flights(work, date(2012, 12, 31), date(2013, 10, 8))
    _replay(work, folder, "flights", "2013-10-08", ("2013-04-01", "2013-09-30"), POLICIES)
    from feature_repo.visits.source import write_csv

    write_csv(work / "landing" / "visits" / "enrolments" / "all.csv")
    _replay(work, folder, "visits", "1981-01-01", ("1977-07-01", "1977-08-25"), POLICIES[:2])


def _replay(
    work: Path, folder: Path, name: str, as_of: str, span: tuple[str, str], policies: Sequence[str]
) -> None:
    """Ingest up to a day, replay a span of days, and write what the policies came to."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("MAINSPRING_")}
    variables |= {"MAINSPRING_STATE": str(work), "PYTHONPATH": str(ROOT), "PREFECT_HOME": str(work)}
    ingest = f"from flows.ingest import ingest; ingest({name!r}, {as_of!r})"
    command = Path(sys.executable).parent / "mainspring"
    chosen = [word for policy in policies for word in ("--policy", policy)]
    for words in (
        [sys.executable, "-c", ingest],
        [str(command), "replay", name, "--from", span[0], "--to", span[1], *chosen],
    ):
        subprocess.run(words, cwd=ROOT, env=variables, check=True)
    (replay,) = (work / "replays" / name).iterdir()
    (path,) = replay.glob("comparisons/*/numbers.parquet")
    numbers = pl.read_parquet(path)
    write_json(folder / f"{name}_numbers.json", numbers.to_dicts())
    for policy in policies:
        entries = ledger_entries(replay / "policies" / policy / "state" / "ledger.db")
        write_json(folder / f"{name}_{policy}_ledger.json", entries)


def ledger_entries(path: Path) -> list[dict[str, Any]]:
    """All entries of a ledger in order, without ids, clocks and prose."""
    query = "select model, seq, what, key, version, evidence, at from ledger order by model, seq"
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        entries = [dict(row) for row in database.execute(query)]
    for entry in entries:
        entry["evidence"] = _plain(json.loads(entry["evidence"]))
    return entries


def _plain(value: Any) -> Any:
    """Evidence without clocks and prose."""
    if isinstance(value, dict):
        left_out = _CLOCKS | _PROSE
        return {name: _plain(of) for name, of in value.items() if name not in left_out}
    return [_plain(of) for of in value] if isinstance(value, list) else value


def without_clocks(rows: pl.DataFrame) -> pl.DataFrame:
    """A table without ids, clocks and later columns, in an order of its own."""
    plain = rows.drop(*_CLOCKS, *_LATER, strict=False)
    return plain.sort(pl.all().exclude(pl.List), maintain_order=True)


def summary_of(rows: pl.DataFrame) -> dict[str, Any]:
    """Rows, and of each column its type, nulls, and the sum of its numbers or its text lengths."""
    columns = {}
    for name, values in zip(rows.columns, rows, strict=True):
        columns[name] = {"type": str(values.dtype), "nulls": values.null_count()}
        if values.dtype.is_numeric():
            columns[name]["sum"] = values.fill_nan(None).sum()
        elif values.dtype == pl.String:
            columns[name] |= {"values": values.n_unique(), "bytes": values.str.len_bytes().sum()}
        elif values.dtype.is_temporal():
            columns[name]["sum"] = str(values.cast(pl.Int64).cast(pl.Int128).sum())
        elif values.dtype == pl.Boolean:
            columns[name]["sum"] = values.sum()
    return {"rows": rows.height, "columns": columns}


def record_deployments(folder: Path) -> None:
    """Keep prefect.yaml as the use cases' YAML files ask for it."""
    from infra.deployments import render_deployments

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prefect.yaml").write_text(render_deployments())


def write_json(path: Path, value: Any) -> None:
    """Write a value in a form that reads well in a diff."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, list):
        lines = ",\n".join(json.dumps(each, default=str) for each in value)
        path.write_text(f"[\n{lines}\n]\n")
    else:
        path.write_text(json.dumps(value, indent=1, default=str) + "\n")


def empty(folder: Path) -> Path:
    """The folder, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
