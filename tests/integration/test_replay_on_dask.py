"""A replay by Dask's workers: one that dies, and a command that goes away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from configs.errors import BadConfig
from configs.schema.loading import load_use_case
from configs.schema.retraining_policy import RetrainingPolicy
from infra.storage.locks import hold_file_lock
from tasks.orchestration.parallel import _workers
from tasks.replay.progress import ProgressMeter
from tasks.replay.run import Replay, prepare_replay, run_policies, share_features
from tasks.replay.subprocesses import run_policy_process
from tests.support.dask import Cluster, cluster
from tests.support.prefect_server import until
from tests.support.replay import POLICY, START, production_until, real, use_state

pytestmark = pytest.mark.slow
END = START + timedelta(days=14)


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lake with the flights of two weeks and of what they are trained on."""
    with production_until(tmp_path_factory.mktemp("production"), END) as folder:
        yield folder


@pytest.fixture
def workers(production: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Two of them, that the settings name."""
    with cluster(workers=2) as found:
        use_state(monkeypatch, real(production) | {"MAINSPRING_ENGINE": found.address})
        yield found


def start_replay(*names: str) -> Replay:
    """The same policy under several names, ready to be played."""
    policies = [RetrainingPolicy(**{**dict(POLICY), "name": name}) for name in names]
    found = prepare_replay(load_use_case("flights"), START, END, policies)
    share_features(found)
    return found


def read_policy_predictions(found: Replay, policy: str) -> pl.DataFrame:
    table = found.place_of(policy) / "state" / "lake" / "flights" / "predictions"
    return pl.scan_delta(str(table)).collect().drop("run_id").sort(pl.all())


def test_what_a_dead_worker_played_is_played_on_by_the_other(workers: Cluster) -> None:
    found, told = start_replay("one", "other"), dict[str, int]()

    def tell(policy: str, done: int, steps: int) -> None:
        assert told.get(policy, 0) < done <= steps
        told[policy] = done
        if len(told) == 2:  # both are at it
            workers.processes[-1].kill()

    run_policies(found, 1, tell)
    assert told == {name: len(job.steps) for name, job in found.jobs.items()}
    assert read_policy_predictions(found, "one").height > 3000
    assert read_policy_predictions(found, "one").equals(read_policy_predictions(found, "other"))
    workers.processes[0].kill()
    run_policies(found, 1, tell=lambda *_: None)  # there is nothing left to ask a worker for


def test_what_nobody_waits_for_ends_with_its_step(workers: Cluster) -> None:
    found = start_replay("left")
    place, steps = found.place_of("left"), len(found.jobs["left"].steps)
    with _workers() as runner:
        future = runner.client.submit(run_policy_process, place, found.plan, found.folder)
        until(lambda: (place / "lock").exists() or None, "beginning")
        del future
    with hold_file_lock(place / "lock"):
        assert 0 < ProgressMeter(place).done < steps


def test_a_folder_that_a_worker_does_not_reach_is_named(production: Path) -> None:
    found = start_replay("elsewhere")
    wrong = run_policy_process(production / "elsewhere", found.plan, found.folder)
    assert isinstance(wrong, BadConfig)
    assert "MAINSPRING_STATE" in str(wrong)
