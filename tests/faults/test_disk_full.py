"""A disk that is full, or read-only, in the middle of ingest, score and train.

Each run is a process of its own, as in production. What was committed stays whole and readable,
the error names the folder, and the same run again, when there is room, comes to what it would
have come to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from zlib import crc32

import polars as pl
import pytest

from configs.errors import CannotWrite
from configs.schema.loading import load_use_case
from configs.schema.training import Split
from configs.schema.use_case import UseCase
from tasks.features import retrieval
from tasks.ingestion import feature_refresh
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import find_champion
from tasks.models.artifact import ModelArtifact
from tasks.models.mlflow.versions import find_version
from tasks.models.registry import open_model
from tasks.replay import shared_training, simulate
from tasks.rollout.prediction_log import PREDICTIONS
from tasks.storage.lake import open_lake
from tests.support import lake_rows, landing
from tests.support.fork_server import forks, inside
from tests.support.small_disk import Disk, mounted
from tests.support.state import forget

AS_OF = datetime(2013, 1, 15, tzinfo=UTC)
DAY = timedelta(days=1)
pytestmark = pytest.mark.timeout(900)
slow = pytest.mark.slow
ORDER = ["prediction_time", "carrier", "flight", "origin", "flight_date"]
SAID = {"fill": "is full", "close": "is read-only"}


def logistic_use_case() -> UseCase:
    case = load_use_case("flights")
    split = Split(validation=3 * DAY, holdout=3 * DAY, min_rows=1000)
    candidates = {"logistic": case.candidates["logistic"]}
    return case.model_copy(update={"split": split, "candidates": candidates})


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    """A small disk with two weeks of flights, and a champion that has scored a day."""
    with (
        mounted(tmp_path_factory.mktemp("mounts") / "small", megabytes=64) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("MAINSPRING_STATE", str(made.path))
        forget()
        run_on_disk(made, prepare_lake)
        yield made
    forget()


def prepare_lake() -> None:
    case = logistic_use_case()
    lake_rows.land_rows(case, AS_OF - 30 * DAY, AS_OF + 5 * DAY)
    feature_refresh.refresh_features(case, AS_OF + 5 * DAY)
    train(0)
    version = find_version(case.name, "test:0")
    open_ledger().record(Entry(case.name, "promoted", "decision:1", AS_OF, "test", version))
    score_days(1)


def score_days(days: int) -> None:
    simulate.simulate_score(logistic_use_case(), AS_OF + days * DAY)


def train(days: int) -> None:
    simulate.simulate_train(
        logistic_use_case(), AS_OF + days * DAY, shared_training.train_files, origin=f"test:{days}"
    )


def ingest_into_lake() -> None:
    landing.ingest_landed(logistic_use_case())


def run_on_disk(
    disk: Disk, work: Callable[[], None], how: str = "", place: str = "", nth: int = 1
) -> None:
    """Do some work in a process of its own; before the nth call of the function at a `place`
    (module:name) something happens to the disk. Raises what the work raised.
    """
    with ProcessPoolExecutor(1, mp_context=forks()) as pool:
        pool.submit(inside, dict(os.environ), _with, disk, work, how, place, nth).result()


def _with(disk: Disk, work: Callable[[], None], how: str, place: str, nth: int) -> None:
    if how:
        module, name = place.split(":")
        _before(import_module(module), name, nth, getattr(disk, how))
    work()


def _before(module: Any, name: str, nth: int, happens: Callable[[], None]) -> None:
    """Let something happen before the nth call of a function."""
    real, calls = getattr(module, name), iter(range(1, sys.maxsize))

    def called(*given: Any, **named: Any) -> Any:
        if next(calls) == nth:
            happens()
        return real(*given, **named)

    setattr(module, name, called)


def read_scored() -> pl.DataFrame:
    return open_lake("flights").scan(PREDICTIONS).collect().sort(ORDER)


def rows_to_predict(end: datetime) -> pl.DataFrame:
    """What is to be predicted from the promotion on."""
    return retrieval.build_spine(logistic_use_case(), AS_OF, end, end).select(ORDER).sort(ORDER)


@pytest.mark.parametrize(("how", "days"), [("fill", 2), ("close", 3)])
def test_scoring_leaves_the_windows_before_and_goes_on(disk: Disk, how: str, days: int) -> None:
    before, version = read_scored(), open_lake("flights").version(PREDICTIONS)
    with pytest.raises(CannotWrite, match=f"{disk.path}.*/predictions {SAID[how]}"):
        run_on_disk(disk, partial(score_days, days), how, "tasks.storage.lake:write_deltalake")
    assert read_scored().equals(before)
    assert open_lake("flights").version(PREDICTIONS) == version
    disk.mend()
    run_on_disk(disk, partial(score_days, days))
    assert read_scored().head(before.height).equals(before)
    assert read_scored().select(ORDER).equals(rows_to_predict(AS_OF + days * DAY))


@pytest.mark.parametrize(
    ("how", "place", "registered"),
    [
        ("fill", "tasks.models.registry:log_run", False),
        pytest.param("close", "tasks.models.registry:log_run", False, marks=slow),
        pytest.param("fill", "tasks.models.registry:create_registered_model", False, marks=slow),
        ("close", "tasks.models.registry:create_registered_model", False),
        ("fill", "tasks.training.candidate:build_candidate_entry", True),
        pytest.param("close", "tasks.training.candidate:build_candidate_entry", True, marks=slow),
    ],
)
def test_training_leaves_the_champion_and_registers_once(
    disk: Disk, how: str, place: str, registered: bool
) -> None:
    origin = f"test:{place}:{how}"
    work = partial(again, origin)
    before = open_ledger().entries("flights")
    assert find_version("flights", origin) is None
    with pytest.raises(CannotWrite, match=f"{disk.path}.* {SAID[how]}"):
        run_on_disk(disk, work, how, place)
    assert open_ledger().entries("flights") == before
    assert (find_version("flights", origin) is not None) is registered
    disk.mend()
    run_on_disk(disk, work)
    run_on_disk(disk, work)
    mine = [e for e in open_ledger().entries("flights") if e.evidence.get("origin") == origin]
    assert [e.version for e in mine] == [find_version("flights", origin)]
    reigning = find_champion(open_ledger().entries("flights"))
    assert reigning is not None
    assert reigning.key == "decision:1"


def again(origin: str) -> None:
    """Register the model of the first training as one of other rows, for another origin."""
    known = open_model("flights", 1)
    until = known.card.trained_until - timedelta(seconds=crc32(origin.encode()) % 3600)
    card = known.card.model_copy(update={"trained_until": until})
    made = shared_training.TrainedFiles(ModelArtifact(known.onnx, card, known.golden), 0.0)
    simulate.simulate_train(logistic_use_case(), AS_OF, lambda *_: made, origin=origin)


@pytest.mark.parametrize(
    ("how", "commits"),
    [
        ("fill", 3),
        ("close", 5),
        *(pytest.param(how, n, marks=slow) for how in SAID for n in (1, 2, 4)),
    ],
)
def test_ingest_takes_what_it_can_and_the_rest_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, commits: int
) -> None:
    """Interrupted at one of its commits: quarantine, raw tables, and `files` at the end."""
    with mounted(tmp_path / "small", megabytes=16) as small:
        monkeypatch.setenv("MAINSPRING_STATE", str(small.path))
        forget()
        for table in ("weather", "departures", "arrivals", "schedules"):
            landing.land_files(table)
        with pytest.raises(CannotWrite, match=f"{small.path}.* {SAID[how]}"):
            run_on_disk(small, ingest_into_lake, how, "tasks.storage.lake:write_deltalake", commits)
        seen = landing.ingest_versions(logistic_use_case())
        assert len(seen) == commits - 1
        assert set(seen.values()) <= {0}
        small.mend()
        run_on_disk(small, ingest_into_lake)
        run_on_disk(small, ingest_into_lake)
        assert set(landing.ingest_versions(logistic_use_case()).values()) == {0}
        found = {
            t: landing.rows_of(logistic_use_case(), t)
            for t in landing.ingest_versions(logistic_use_case())
        }
    forget()
    assert found["files"].height == 4
    assert found["files"]["accepted"].sum() == sum(
        rows.height for name, rows in found.items() if name.startswith("raw/")
    )
