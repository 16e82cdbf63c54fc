"""A replay is production: the same flights through the real flows and through a replay; and one
that is killed comes to the same end. Four weeks of real flights, small models, all that can happen.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from configs.schema.loading import load_use_case
from configs.settings import ROOT, settings
from infra import fault_injection
from tasks.ledger.log import Entry, Ledger, open_ledger
from tasks.ledger.projections import list_unanswered
from tasks.lifecycle import resend_requests
from tasks.replay.plan import PolicyJob, ReplayStep
from tasks.replay.policy_worker import run_policy
from tasks.replay.run import Replay, prepare_replay, share_features
from tests.support.replay import END, POLICY, START, production_until, real, use_state

pytestmark = pytest.mark.system

WEEK = START + timedelta(days=7)
_MEASURED = ("footprint", "run", "card")
TABLES = ("predictions", "shadows", "monitoring")


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lake with all flights of the period and a week more, and nothing else yet."""
    with production_until(tmp_path_factory.mktemp("production"), END + timedelta(days=7)) as folder:
        yield folder


@pytest.fixture(scope="module")
def replay(production: Path) -> Replay:
    found = prepare_replay(load_use_case("flights"), START, END, [POLICY])
    share_features(found)
    return found


@pytest.fixture(scope="module")
def replayed(replay: Replay) -> Path:
    """The state that the policy leaves, played in this process."""
    place = replay.place_of("lively")
    with pytest.MonkeyPatch.context() as patch:
        use_state(patch, replay.plan.environment(replay.folder, place / "state"))
        run_policy(place)
    settings.cache_clear()
    open_ledger.cache_clear()
    return place / "state"


@pytest.fixture(scope="module")
def one_week(api: None, production: Path, replay: Replay) -> Path:
    """The state after the steps of one week through the real flows, with a server for the rest."""
    fly(step for step in replay.jobs["lively"].steps if step.at <= WEEK)
    return production


@pytest.fixture(scope="module")
def flown(one_week: Path, replay: Replay) -> Path:
    """The state after all steps."""
    fly(step for step in replay.jobs["lively"].steps if step.at > WEEK)
    return one_week


def fly(steps: Iterable[ReplayStep]) -> None:
    """What the steps stand for, through the real flows; the automations' part by hand."""
    from flows.monitor import monitor
    from flows.score import score
    from flows.train import train

    for step in steps:
        if step.do == "score":
            score("flights", step.at)
        elif step.do == "monitor":
            monitor("flights", step.at, report=False)
        elif step.do == "train":
            train("flights", step.at)
        else:
            run_requested_flows()


def run_requested_flows() -> None:
    """Run what the automations would, until nothing is asked for."""
    from flows.promote import promote
    from flows.retrain import retrain
    from flows.rollback import rollback

    while waiting := list_unanswered(open_ledger().entries("flights")):
        entry = waiting[0]
        flow = resend_requests.answering_flow(entry)
        if flow == "retrain":
            retrain("flights", entry.key, entry.at)
        elif flow == "rollback":
            rollback("flights", entry.evidence["promotion"], entry.at)
        else:
            assert entry.version is not None
            promote("flights", entry.version, entry.at)


def entries(state: Path) -> list[Entry]:
    return Ledger(f"sqlite:///{state / 'ledger.db'}").entries("flights")


def read_state_table(state: Path, table: str) -> pl.DataFrame:
    """A table without ids, in an order of its own."""
    found = pl.scan_delta(str(state / "lake" / "flights" / table)).collect()
    plain = found.drop("run_id", strict=False)
    return plain.sort(pl.all())


def without_clocks(found: Sequence[Entry]) -> list[dict[str, Any]]:
    """Entries without ids and clocks."""
    return [
        {"what": e.what, "key": e.key, "at": e.at, "version": e.version,
         "evidence": plain_evidence(e.evidence)}
        for e in found
    ]  # fmt: skip


def plain_evidence(value: Any) -> Any:
    """Evidence without what is measured by the clock or names a run; a model card says both."""
    if isinstance(value, dict):
        if value.get("gate") in ("p99 latency of one row", "throughput", "peak memory"):
            return value["verdict"]
        return {n: plain_evidence(v) for n, v in value.items() if n not in _MEASURED}
    return [plain_evidence(each) for each in value] if isinstance(value, list) else value


def test_everything_happened(replayed: Path) -> None:
    kinds = {e.what for e in entries(replayed)}
    assert {"alert_raised", "retrain_started", "rollout_started", "promoted", "step_asked"} <= kinds


@pytest.mark.server
def test_a_week_of_a_replay_is_a_week_of_production(one_week: Path, replayed: Path) -> None:
    """The short form of the two below: what the ledger of the whole replay begins with."""
    decided = without_clocks(entries(one_week))
    assert {"candidate_registered", "promoted"} <= {entry["what"] for entry in decided}
    assert decided == without_clocks(entries(replayed))[: len(decided)]
    done = {"predictions": pl.col("prediction_time") < WEEK, "monitoring": pl.col("as_of") <= WEEK}
    for table, inside in done.items():
        week = read_state_table(replayed, table).filter(inside)
        assert week.height > 0
        assert read_state_table(one_week, table).equals(week)


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("table", TABLES)
def test_a_replay_writes_what_production_writes(flown: Path, replayed: Path, table: str) -> None:
    assert read_state_table(replayed, table).equals(read_state_table(flown, table))


@pytest.mark.slow
@pytest.mark.server
def test_a_replay_decides_what_production_decides(flown: Path, replayed: Path) -> None:
    assert without_clocks(entries(replayed)) == without_clocks(entries(flown))


def killed(replay: Replay, name: str, points: Sequence[str]) -> Path:
    """The state of a policy whose process was killed at each of the points, then played on."""
    job, place = replay.jobs["lively"], replay.place_of(name)
    PolicyJob(**{**dict(job), "policy": job.policy.model_copy(update={"name": name})}).keep(place)
    environment = replay.plan.environment(replay.folder, place / "state")
    command = [sys.executable, "-m", "tasks.replay.policy_worker", str(place)]
    for point in (*points, ""):
        fault = {fault_injection.VARIABLE: point} if point else {}
        done = subprocess.run(command, env={**environment, **fault}, check=False, timeout=120)
        assert done.returncode == (-signal.SIGKILL if point else 0)
    return place / "state"


@pytest.mark.slow
def test_a_replay_that_was_killed_comes_to_the_same_end(replay: Replay, replayed: Path) -> None:
    state = killed(replay, "killed", ["after ask for a step", "before record the step"])
    for table in TABLES:
        assert read_state_table(state, table).equals(read_state_table(replayed, table))
    assert without_clocks(entries(state)) == without_clocks(entries(replayed))


@pytest.mark.slow
def test_nothing_that_became_known_later_is_seen(
    replayed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """On a lake that ends with the period, trained anew: the same answers and decisions."""
    ends = production_until(tmp_path_factory.mktemp("ends"), END)
    with ends, pytest.MonkeyPatch.context() as patch:
        found = prepare_replay(load_use_case("flights"), START, END, [POLICY])
        share_features(found)
        place = found.place_of("lively")
        use_state(patch, found.plan.environment(found.folder, place / "state"))
        run_policy(place)
    for table in TABLES:
        assert read_state_table(place / "state", table).equals(read_state_table(replayed, table))
    assert without_clocks(entries(place / "state")) == without_clocks(entries(replayed))


@pytest.mark.slow
def test_the_command_comes_to_the_same_bytes_again(production: Path) -> None:
    """Two policies for two weeks by the command; anew by two Dask workers; once more, all done."""
    period = production / "replays" / "flights" / "2013-01-22_2013-02-05"
    folder = period / "comparisons" / "never-performance"
    command = [
        sys.executable, "-m", "flows.cli.app", "replay", "flights", "--from", "2013-01-22",
        "--to", "2013-02-04", "--policy", "never", "performance",
    ]  # fmt: skip
    environment = {**os.environ, **real(production), "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    by_two = {"MAINSPRING_ENGINE": "dask", "MAINSPRING_DASK_WORKERS": "2"}
    seen = []
    for more, dask in (([], {}), (["--again"], by_two), ([], {})):
        done = subprocess.run(
            [*command, *more], env=environment | dask, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "results by policy" in done.stdout
        seen.append((folder / "numbers.parquet").read_bytes())
    assert seen[0] == seen[1] == seen[2]
    assert "<img" in (folder / "replay.html").read_text()
    from tasks.models.mlflow.client import connect_mlflow, find_experiment

    settings.cache_clear()  # another test read them in a state of its own
    runs = connect_mlflow().search_runs(
        [find_experiment(connect_mlflow(), "flights")], "tags.`mainspring.replay` != ''"
    )
    assert {run.info.run_name for run in runs} == {"replay never", "replay performance"}
    assert len(runs) == 2
