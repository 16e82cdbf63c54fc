"""make bench: every stage against its raw limit, and against what others would write.

Sizes are numbers of rows. What is measured on is made once and kept below one folder.
"""

from __future__ import annotations

import argparse
import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from configs.settings import settings
from tests.benchmarks import report
from tests.benchmarks.catalogue import STAGES
from tests.benchmarks.runs import Bench

IMPORTS, LOOP, OVERVIEW = "imports", "loop", "overview"
_VERSIONS = ("polars", "deltalake", "feast", "onnxruntime", "scikit-learn", "duckdb", "evidently")


def main() -> None:
    """Measure, print the tables, write the JSON."""
    asked, console = _arguments(), Console()
    bar = Progress(
        BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"),
        console=console,
    )  # fmt: skip
    steps = [(s, rows) for rows in asked.sizes for s in asked.stages if _is_measured(s, rows)]
    steps += [(stage, 0) for stage in asked.stages if stage not in STAGES]
    with bar:
        job = bar.add_task("", total=len(steps))
        bench = Bench(asked.folder.resolve(), lambda what: bar.update(job, description=what))
        failed = []
        for stage, rows in steps:
            if not _survive(bench, stage, rows, asked.rounds):
                failed.append((stage, rows))
            bar.advance(job)
    for table in report.tables(bench):
        console.print(table)
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(_document(bench), indent=1))
    console.print(f"written to {asked.json}")
    if failed:
        stages = ", ".join(f"{stage} {rows:,}" if rows else stage for stage, rows in failed)
        raise SystemExit(f"failed, see above: {stages}")


def _take(bench: Bench, stage: str, rows: int, rounds: int) -> None:
    if stage == IMPORTS:
        bench.load_modules(rounds)
    elif stage == LOOP:
        bench.play_loop()
    elif stage == OVERVIEW:
        bench.open_site()
    else:
        bench.stage(stage, rows, rounds)


def _survive(bench: Bench, stage: str, rows: int, rounds: int) -> bool:
    """Measure a stage; return whether it came to its end. The others are measured in any case."""
    try:
        _take(bench, stage, rows, rounds)
    except SystemExit as failed:
        print(failed)
        return False
    return True


def _is_measured(stage: str, rows: int) -> bool:
    return stage in STAGES and STAGES[stage].smallest <= rows <= STAGES[stage].largest


def _document(bench: Bench) -> dict[str, Any]:
    """All that was measured, when, and on what."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"system": platform.platform(), "cpus": bench.cpus},
        "versions": {name: version(name) for name in _VERSIONS},
        "ratios": report.ratios(bench.results),
        "results": [result.as_json() for result in bench.results],
        IMPORTS: bench.loaded,
        LOOP: bench.loop,
        OVERVIEW: bench.site,
    }


def _arguments() -> argparse.Namespace:
    home = settings().state / "bench"
    every = [*STAGES, IMPORTS, LOOP, OVERVIEW]
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--sizes", type=_sizes, default="337000,3400000", help="numbers of rows")
    parser.add_argument("--stages", type=_listed, default=every, help=", ".join(every))
    parser.add_argument("--rounds", type=int, default=2, help="how often each is measured")
    parser.add_argument("--folder", type=Path, default=home, help="what is measured on")
    parser.add_argument("--json", type=Path, default=home / "bench.json", help="the result")
    asked = parser.parse_args()
    if unknown := set(asked.stages) - set(every):
        parser.error(f"unknown stages: {', '.join(unknown)}; there are: {', '.join(every)}")
    return asked


def _sizes(text: str) -> list[int]:
    return sorted(int(size) for size in text.split(","))


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


if __name__ == "__main__":
    main()
