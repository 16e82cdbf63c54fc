"""Scoring, killed with SIGKILL at random moments on a folder and on S3, while somebody reads.

What is scored has answers already, other ones, so that every write replaces rows: a reader must
see all old answers of a window, or all new ones.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Event, Thread
from time import monotonic

import polars as pl
import pytest

from configs import s3
from configs.policy import Canary
from configs.settings import settings
from configs.use_case import Split, UseCase, load_use_case
from tasks import features, registry
from tasks.card import make_card
from tasks.export import export_fitted
from tasks.lake import lake_of
from tasks.ledger import Entry, ledger
from tasks.predictions import PREDICTIONS, SHADOWS, write
from tasks.rollout import begin
from tasks.scoring import casts_in, score, together
from tasks.training import fit_candidate, training_parts
from tests import real_lake

AS_OF = datetime(2013, 1, 22, tzinfo=UTC)
DAY = timedelta(days=1)
WINDOWS = [(AS_OF + n * DAY / 2, AS_OF + (n + 1) * DAY / 2) for n in range(4)]
TABLES = (PREDICTIONS, SHADOWS)
OLD = "old"
PRELOADED = ["feast", "mlflow.onnx", "onnxruntime", __name__]


def use_case() -> UseCase:
    case = load_use_case("flights")
    shares = Canary(shares=(0.3,), unit=("carrier", "flight", "origin"))
    split = Split(validation=4 * DAY, holdout=4 * DAY, min_rows=1000)
    return case.model_copy(update={"split": split, "rollout": shares})


@pytest.fixture(scope="module", params=["folder", "s3"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The variables of a state in which version 1 is champion and 2 in a canary."""
    variables = {"MAINSPRING_STATE": str(tmp_path_factory.mktemp("state"))}
    if request.param == "s3":
        server = request.getfixturevalue("s3_server")
        variables |= server.variables | server.places(server.bucket())
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        forget()
        prepare(use_case())
        yield variables
    forget()


def forget() -> None:
    settings.cache_clear()
    ledger.cache_clear()
    s3.file_system.cache_clear()
    registry._open.cache_clear()


def prepare(case: UseCase) -> None:
    real_lake.land(case, AS_OF - 30 * DAY, AS_OF + 3 * DAY)
    features.refresh(case, AS_OF + 3 * DAY)
    parts = training_parts(case, features.training_set(case, AS_OF - 21 * DAY, AS_OF, AS_OF), AS_OF)
    fitted = fit_candidate(case, "logistic", parts)
    exported = export_fitted(case, fitted, parts)
    card, golden = make_card(case, parts, [fitted], exported, {}), None
    golden = registry.golden_rows(exported, parts)
    for version in (1, 2):
        registry.register(case.name, exported.onnx, card, golden, f"train:{version}")
    for what, version, evidence in (
        ("promoted", 1, {}),
        ("rollout_started", 2, begin(case, 1)),
    ):
        at = AS_OF - DAY / version
        ledger().record(Entry(case.name, what, f"{what}:{version}", at, "test", version, evidence))


def run(number: int) -> dict[str, pl.DataFrame]:
    """What the flow's tasks do with a window, up to the writing; the rows of both tables."""
    case, window = use_case(), WINDOWS[number]
    scored = [score(case, cast, window[1], "new") for cast in casts_in(case, window)]
    used, shadows = ([getattr(s, name) for s in scored] for name in ("used", "shadows"))
    return {PREDICTIONS: together(used), SHADOWS: together(shadows)}


def save(number: int, rows: dict[str, pl.DataFrame]) -> None:
    for table in reversed(TABLES):
        write(use_case(), table, rows[table], WINDOWS[number])


def process(variables: dict[str, str], number: int, told: Connection) -> None:
    """Score a window in a process of its own, which tells when it begins to write."""
    os.environ.update(variables)
    forget()
    rows = run(number)
    told.send("writes")
    save(number, rows)
    told.send("done")


class Child:
    """A process that scores a window."""

    def __init__(self, variables: dict[str, str], number: int) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self.said, told = context.Pipe(duplex=False)
        self.process = context.Process(target=process, args=(variables, number, told))
        self.process.start()
        told.close()

    def whole(self) -> tuple[float, float]:
        """Let it end; seconds until it wrote, and for the writing."""
        began = monotonic()
        times = [self._hear(), self._hear()]
        self.process.join(60)
        assert self.process.exitcode == 0
        return times[0] - began, times[1] - times[0]

    def _hear(self) -> float:
        self.said.recv()
        return monotonic()

    def kill(self, seconds: tuple[float, float], dice: random.Random) -> None:
        """Kill it somewhere: before it writes, or while it does, which is shorter."""
        before, writing = seconds
        if dice.random() < 0.6:
            self.said.poll(60)
            self.process.join(dice.uniform(0, 1.1 * writing))
        else:
            self.process.join(dice.uniform(0, before))
        self.process.kill()
        self.process.join(60)


def window_of(number: int, table: str = PREDICTIONS) -> pl.DataFrame:
    time, (start, end) = pl.col("prediction_time"), WINDOWS[number]
    inside = lake_of("flights").scan(table).filter(time >= start, time < end).collect()
    return ordered(inside)


def ordered(rows: pl.DataFrame) -> pl.DataFrame:
    keys = ("prediction_time", "carrier", "flight", "origin", "model_version")
    return rows.drop("scored_as_of").sort(keys)


class Reader(Thread):
    """Reads all windows, again and again, and keeps what should not be."""

    def __init__(self, old: list[pl.DataFrame], new: list[pl.DataFrame]) -> None:
        super().__init__(daemon=True)
        self.answers = list(zip(old, new, strict=True))
        self.stopped, self.looks, self.wrong = Event(), 0, list[str]()

    def run(self) -> None:
        while not self.stopped.wait(0.05):
            time = pl.col("prediction_time")
            rows = lake_of("flights").scan(PREDICTIONS).collect()
            for number, (start, end) in enumerate(WINDOWS):
                seen = ordered(rows.filter(time >= start, time < end))
                if not any(seen.equals(answer) for answer in self.answers[number]):
                    self.wrong.append(f"window {number}: {seen.height} rows")
            self.looks += 1

    def stop(self) -> None:
        self.stopped.set()
        self.join()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_at_random_and_run_again_no_row_is_lost_or_doubled(
    place: dict[str, str], kills: int
) -> None:
    seconds = [Child(place, number).whole() for number in range(len(WINDOWS))][-1]
    whole = {table: [window_of(n, table) for n in range(len(WINDOWS))] for table in TABLES}
    assert min(rows.height for rows in whole[PREDICTIONS]) > 100
    former = {table: [as_before(rows) for rows in whole[table]] for table in TABLES}
    for number in range(len(WINDOWS)):
        save(number, {table: before(former[table][number]) for table in TABLES})
    reader, dice, died = Reader(former[PREDICTIONS], whole[PREDICTIONS]), random.Random(kills), 0
    reader.start()
    for kill in range(kills):
        number = kill % len(WINDOWS)
        save(number, {table: before(former[table][number]) for table in TABLES})
        child = Child(place, number)
        child.kill(seconds, dice)
        died += child.process.exitcode == -signal.SIGKILL
        Child(place, number).whole()
        for table in TABLES:
            assert window_of(number, table).equals(whole[table][number]), (kill, table)
    reader.stop()
    assert died > kills / 2
    assert reader.looks > kills
    assert reader.wrong == []
    assert lake_of("flights").scan(PREDICTIONS).collect().height == sum(
        rows.height for rows in whole[PREDICTIONS]
    )


def as_before(rows: pl.DataFrame) -> pl.DataFrame:
    """Other answers to the same rows."""
    return rows.with_columns(pl.lit(OLD).alias("run_id"), probability=1 - pl.col("probability"))


def before(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.lit(AS_OF, pl.Datetime("us", "UTC")).alias("scored_as_of"))
