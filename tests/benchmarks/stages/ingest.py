"""Landed files into the lake: every row validated, or just read and written."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from pathlib import Path

import polars as pl

from configs.schema.loading import load_use_case
from tests.benchmarks import years
from tests.benchmarks.work import Answer, Work


def ours(rows: int) -> Work:
    """What the ingest flow does before the features follow: suites, quarantine, commits, record."""
    import great_expectations  # noqa: F401

    from tasks.ingestion import ingest, landing

    use_case = load_use_case(years.NAME)
    years.make_landing(rows)
    years.borrow_lake(without=years.NAME)

    def work() -> Answer:
        taken = ingest.validate_files(use_case, landing.discover_files(use_case), years.END)
        ingest.commit_rows(use_case, taken)
        landing.record_files(use_case, taken.verdicts, years.END)
        return Answer(sum(verdict.accepted for verdict in taken.verdicts))

    return work


def bare(rows: int) -> Work:
    """Read each file with polars, append each table with deltalake."""
    from deltalake import write_deltalake

    files = sorted(p for p in years.make_landing(rows).rglob("*.*") if p.is_file())
    lake = years.borrow_lake(without=years.NAME)

    def work() -> Answer:
        tables: dict[str, list[pl.DataFrame]] = defaultdict(list)
        for path in files:
            read = (
                pl.read_parquet
                if path.suffix == ".parquet"
                else partial(pl.read_csv, infer_schema_length=None)
            )
            tables[path.parent.name].append(read(path))
        together = {
            name: pl.concat(parts, how="vertical_relaxed") for name, parts in tables.items()
        }
        for name, frame in together.items():
            write_deltalake(str(Path(lake, name)), frame)
        return Answer(sum(frame.height for frame in together.values()))

    return work
