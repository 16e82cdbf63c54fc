"""Scoring, killed with SIGKILL at random moments on a folder and on S3, while somebody reads.

What is scored has answers already, other ones, so that every write replaces rows: a reader must
see all old answers of a window, or all new ones.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from threading import Event, Thread
from time import monotonic

import polars as pl
import pytest

from tasks.rollout.prediction_log import PREDICTIONS, SHADOWS
from tasks.scoring.batch import find_scoring_routes, score_route
from tasks.scoring.partitions import (
    ScoredPartition,
    choose_spill_folder,
    collect_table_chunks,
    make_table_chunks,
    split_routes,
)
from tasks.scoring.predictions import write_prediction_table
from tasks.storage import files
from tasks.storage.chunks import chunk_in_memory, remove_spill
from tasks.storage.lake import open_lake
from tests.support.canary import AS_OF, DAY, canary_use_case, prepare_canary
from tests.support.fork_server import fork
from tests.support.state import state

WINDOWS = [(AS_OF, AS_OF + DAY / 2), (AS_OF + DAY / 2, AS_OF + DAY)]
TABLES = (PREDICTIONS, SHADOWS)


@pytest.fixture(scope="module", params=["folder", "s3"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A state, which the settings lead to, in which version 1 is champion and 2 in a canary."""
    folder, variables = tmp_path_factory.mktemp("state"), {"MAINSPRING_PARTITION_ROWS": "1"}
    if request.param == "s3":
        server = request.getfixturevalue("s3_server")
        variables |= server.variables | server.places(server.bucket())
    with state(folder, variables):
        prepare_canary(canary_use_case())
        yield


def score_in_chunks(number: int) -> tuple[str, list[ScoredPartition]]:
    """What the flow's tasks do with a window, up to the writing: what is put aside, and where."""
    case, window = canary_use_case(), WINDOWS[number]
    partitions = split_routes(case, find_scoring_routes(case, window), window[1])
    folder = choose_spill_folder(case, window, partitions)
    assert folder is not None
    tables = [(part, score_route(case, part, window[1], "new").tables) for part in partitions]
    return folder, [make_table_chunks(part, rows, folder) for part, rows in tables]


def save(number: int, answered: Sequence[ScoredPartition]) -> None:
    for table in (SHADOWS, PREDICTIONS):
        write_prediction_table(
            canary_use_case(), table, collect_table_chunks(table, answered), WINDOWS[number]
        )


def score_and_write_window(number: int, tell: Callable[[str], object] = str) -> None:
    """Score a window as the flow does, and tell when it begins to write."""
    folder, answered = score_in_chunks(number)
    tell("writes")
    save(number, answered)
    remove_spill(folder)
    tell("done")


def process(number: int, told: Connection) -> None:
    """Score a window in a process of its own."""
    score_and_write_window(number, told.send)


class Child:
    """A process that scores a window."""

    def __init__(self, number: int) -> None:
        self.said, told = Pipe(duplex=False)
        self.process = fork(process, number, told)
        told.close()

    def whole(self) -> tuple[float, float]:
        """Let it end; seconds until it wrote, and for the writing."""
        began, times = monotonic(), []
        for _ in range(2):
            self.said.recv()
            times.append(monotonic())
        self.process.join(60)
        assert self.process.exitcode == 0
        return times[0] - began, times[1] - times[0]

    def killed(self, seconds: tuple[float, float], dice: random.Random) -> bool:
        """Kill it at random, before it writes or while it does; whether that came in time."""
        before, writing = seconds
        if dice.random() < 0.6:
            self.said.poll(60)
            self.process.join(dice.uniform(0, writing))
        else:
            self.process.join(dice.uniform(0, before))
        self.process.kill()
        self.process.join(60)
        return self.process.exitcode == -signal.SIGKILL


def window_of(number: int, table: str) -> pl.DataFrame:
    time, (start, end) = pl.col("prediction_time"), WINDOWS[number]
    inside = open_lake("flights").scan(table).filter(time >= start, time < end)
    return ordered(inside.collect())


def ordered(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort("prediction_time", "carrier", "flight", "origin", "model_version")


def other_answers(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(run_id=pl.lit("old"), probability=1 - pl.col("probability"))


class WindowReader(Thread):
    """Reads all windows, again and again, and keeps what should not be."""

    def __init__(self, old: list[pl.DataFrame], new: list[pl.DataFrame]) -> None:
        super().__init__(daemon=True)
        self.answers = list(zip(old, new, strict=True))
        self.stopped, self.looks, self.wrong = Event(), 0, list[str]()

    def run(self) -> None:
        while not self.stopped.wait(0.05):
            time = pl.col("prediction_time")
            rows = open_lake("flights").scan(PREDICTIONS).collect()
            for number, (start, end) in enumerate(WINDOWS):
                seen = ordered(rows.filter(time >= start, time < end))
                if not any(seen.equals(answer) for answer in self.answers[number]):
                    self.wrong.append(f"window {number}: {seen.height} rows")
            self.looks += 1

    def stop(self) -> None:
        self.stopped.set()
        self.join()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_scoring_killed_at_random_loses_and_doubles_no_row(place: None, kills: int) -> None:
    numbers, dice = range(len(WINDOWS)), random.Random(kills)
    seconds = Child(0).whole()
    score_and_write_window(1)
    whole = {table: [window_of(number, table) for number in numbers] for table in TABLES}
    assert min(rows.height for rows in whole[PREDICTIONS]) > 100
    former = {table: [other_answers(rows) for rows in whole[table]] for table in TABLES}

    def restore(number: int) -> None:
        parts = {table: chunk_in_memory(WINDOWS[number], former[table][number]) for table in TABLES}
        save(number, [parts])

    for number in numbers:
        restore(number)
    reader = WindowReader(former[PREDICTIONS], whole[PREDICTIONS])
    reader.start()
    died = 0
    while died < kills:
        number = died % len(WINDOWS)
        restore(number)
        if not Child(number).killed(seconds, dice):
            continue
        died += 1
        score_and_write_window(number)
        for table in TABLES:
            assert window_of(number, table).equals(whole[table][number]), (died, table)
    reader.stop()
    assert reader.looks > kills
    assert reader.wrong == []
    for table in TABLES:
        held = open_lake("flights").scan(table).collect().height
        assert held == sum(rows.height for rows in whole[table])
    assert files.list_files(f"{open_lake('flights').root}/aside") == []
