"""Running the contenders of a stage by turns (A B A B), each time in a process of its own: forked
from one that has imported the libraries, or, where imports are measured, a fresh one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from multiprocessing import Pipe
from pathlib import Path
from statistics import median
from typing import Any

from configs.settings import ROOT
from tests.benchmarks.catalogue import LOADED, STAGES, Stage
from tests.benchmarks.measure import tell
from tests.benchmarks.years import YEAR_ROWS, place
from tests.support.fork_server import fork

REPEATED = 10.0  # seconds: what takes longer is done once
IN_MEMORY = 10_000_000  # rows
HOPELESS = 10.0  # seconds: what takes longer is not tried with many times the rows, unless linear


@dataclass
class Result:
    """What a contender came to at a size: medians of its runs; why it has none, if it has none."""

    stage: str
    rows: int
    contender: str
    runs: list[dict[str, float]] = field(default_factory=list)
    left_out: str = ""

    def median(self, what: str) -> float | None:
        """The median of seconds, cpu or peak_mib."""
        return median(run[what] for run in self.runs) if self.runs else None

    def as_json(self) -> dict[str, Any]:
        """All of it, medians first."""
        medians = {what: self.median(what) for what in ("seconds", "cpu", "peak_mib")}
        return medians | asdict(self)


class Bench:
    """Runs of one `make bench`, below a folder where what they need is made once."""

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self.folder, self._tell = folder, tell
        self.results: list[Result] = []
        self.loaded: dict[str, dict[str, float]] = {}
        self.loop: dict[str, Any] = {}
        self.site: dict[str, float] = {}
        self.cpus = os.cpu_count()

    def stage(self, name: str, rows: int, rounds: int) -> None:
        """All contenders of a stage at a size."""
        stage = STAGES[name]
        self._make(stage, rows)
        here = [self._result(name, rows, contender) for contender in stage.contenders]
        for number in range(rounds):
            for result in here:
                if not result.left_out and not self._is_enough(result):
                    self._tell(f"{name}, {rows:,} rows, {result.contender}, round {number + 1}")
                    words = (name, result.contender, str(rows))
                    result.runs.append(self.forked(rows, "work", *words))
        self.results += here

    def load_modules(self, rounds: int) -> None:
        """What it takes to import each flow's module; medians."""
        for module in LOADED:
            self._tell(f"importing {module}")
            runs = [self.fresh("load", module) for _ in range(rounds)]
            self.loaded[module] = {what: median(run[what] for run in runs) for what in runs[0]}

    def play_loop(self) -> None:
        """What orchestration takes, with a Prefect server and a worker of its own."""
        self._tell("a daily run, and an alert up to its promotion, under a Prefect server")
        self.loop = self.fresh("loop", str(self.folder / "loop"))

    def open_site(self) -> None:
        """What the overview of many models takes."""
        self._tell("the overview of many models")
        self.site = self.fresh("overview", str(self.folder / "overview"))

    def forked(self, rows: int, *words: str) -> dict[str, Any]:
        """What a forked process measures."""
        answer, told = Pipe(duplex=False)
        child = fork(tell, told, *words, variables=place(self.folder, rows))
        told.close()
        try:
            found: dict[str, Any] = answer.recv()
        except EOFError:
            raise SystemExit(f"{' '.join(words)} failed, see above") from None
        child.join()
        return found

    def fresh(self, *words: str) -> dict[str, Any]:
        """What a fresh process measures."""
        command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.measure", *words]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def _make(self, stage: Stage, rows: int) -> None:
        """The real year first: everything else is made of it."""
        sizes = dict.fromkeys((min(YEAR_ROWS, rows), rows))
        for what in stage.needs:
            for size in sizes:
                self._tell(f"making what is measured on: {what}, {size:,} rows")
                self.forked(size, "make", what, str(size))

    def _result(self, name: str, rows: int, contender: str) -> Result:
        before = [r for r in self.results if (r.stage, r.contender) == (name, contender)]
        slow = [r for r in before if contender in STAGES[name].ends and _longer(r, HOPELESS)]
        said = ""
        if rows > IN_MEMORY and contender in STAGES[name].at_once:
            said = "not tried: all rows in memory at once"
        elif slow:
            said = f"not tried: {slow[-1].median('seconds'):.0f} s with {slow[-1].rows:,} rows"
        elif before and before[-1].left_out:
            said = before[-1].left_out
        return Result(name, rows, contender, left_out=said)

    @staticmethod
    def _is_enough(result: Result) -> bool:
        return bool(result.runs) and _longer(result, REPEATED)


def _longer(result: Result, seconds: float) -> bool:
    taken = result.median("seconds")
    return taken is not None and taken > seconds
