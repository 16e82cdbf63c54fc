"""The score flow on Dask: the same tables wherever partitions are worked on, and clear errors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dask
import polars as pl
import pytest
import yaml
from prefect.settings import PREFECT_API_URL

from configs.errors import BadConfig, Transient
from configs.settings import ROOT
from flows import score as flow
from tasks.orchestration import parallel
from tasks.rollout.prediction_log import PREDICTIONS, SHADOWS
from tasks.storage import files
from tasks.storage.lake import open_lake
from tests.support.canary import AS_OF, DAY, canary_use_case, prepare_canary
from tests.support.dask import cluster
from tests.support.processes import die
from tests.support.s3 import S3
from tests.support.state import forget, state

pytestmark = pytest.mark.server
WINDOW = {"as_of": AS_OF + DAY, "window": "1d"}
KILLED = f"""
import os, signal
from datetime import datetime
from flows import score as flow
from tests.support.state import forget
flow.write_shadows = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if __name__ == "__main__":
    flow.score("flights", as_of=datetime.fromisoformat("{AS_OF + DAY}"), window="1d")
"""


@pytest.fixture(scope="module")
def whole(api: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, pl.DataFrame]]:
    """The tables of a window that the flow scored in one piece, on this machine."""
    folder = tmp_path_factory.mktemp("state")
    content = canary_use_case().model_dump(mode="json", by_alias=True)
    (folder / "flights.yaml").write_text(yaml.safe_dump(content))
    with state(folder, {"MAINSPRING_USE_CASES": str(folder)}):
        prepare_canary(canary_use_case())
        flow.score("flights", **WINDOW)
        yield {table: read_without_run(table) for table in (PREDICTIONS, SHADOWS)}


@pytest.fixture
def nothing_scored(whole: dict[str, pl.DataFrame], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same state without a prediction, and partitions of four hours."""
    for table in whole:
        files.remove_folder(open_lake("flights").uri(table))
    monkeypatch.setenv("MAINSPRING_PARTITION_ROWS", "1")


def read_without_run(table: str) -> pl.DataFrame:
    rows = open_lake("flights").scan(table).collect().drop("run_id")
    return rows.sort("prediction_time", "carrier", "flight", "origin", "model_version")


def by(patch: pytest.MonkeyPatch, place: str) -> None:
    patch.setenv("MAINSPRING_ENGINE", place)
    patch.setenv("MAINSPRING_DASK_WORKERS", "2")
    forget()


def check(whole: dict[str, pl.DataFrame]) -> None:
    assert whole[PREDICTIONS].height > 500
    for table, rows in whole.items():
        assert read_without_run(table).equals(rows), table
    assert open_lake("flights").versions([*whole]) == dict.fromkeys(whole, 0)
    assert aside() == []


def aside() -> list[str]:
    return files.list_files(f"{open_lake('flights').root}/aside")


def test_score_flow_on_a_dask_address_writes_the_same_tables(
    whole: dict[str, pl.DataFrame], nothing_scored: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cluster(workers=1) as found:
        by(monkeypatch, found.address)
        flow.score("flights", **WINDOW)
    check(whole)


@pytest.mark.slow
def test_scoring_killed_after_the_spill_and_rerun_is_the_same(
    whole: dict[str, pl.DataFrame], nothing_scored: None, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    """By one worker of this machine, whose start runs the program's file again, and then by two."""
    by(monkeypatch, "dask")
    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    environment = {**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value() or ""}
    environment |= {"PYTHONPATH": str(ROOT), "MAINSPRING_DASK_WORKERS": "1"}
    done = subprocess.run([sys.executable, program], env=environment, cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(aside()) == 2 * 5  # two tables; nothing leaves between four and eight o'clock
    assert not open_lake("flights").exists(PREDICTIONS)
    flow.score("flights", **WINDOW)
    check(whole)


@pytest.mark.slow
def test_on_s3_the_tables_are_the_same_too(
    whole: dict[str, pl.DataFrame], s3_server: S3, tmp_path: Path
) -> None:
    places = s3_server.variables | s3_server.places(s3_server.bucket())
    with state(tmp_path, places | {"MAINSPRING_PARTITION_ROWS": "1"}) as patch:
        prepare_canary(canary_use_case())
        by(patch, "dask")
        flow.score("flights", **WINDOW)
        assert open_lake("flights").root.startswith("s3://")
        check(whole)


def test_when_all_workers_are_gone_nothing_is_committed(
    nothing_scored: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "_CHECK_SECONDS", 1)
    monkeypatch.setattr(parallel, "_WORKER_TIMEOUT", 2)
    monkeypatch.setattr(flow, "score_partition", die)
    with cluster(workers=1) as found:
        by(monkeypatch, found.address)
        with pytest.raises(Transient, match=f"{found.address} has no worker left"):
            flow.score("flights", **WINDOW)
    assert not open_lake("flights").exists(PREDICTIONS)
    assert not open_lake("flights").exists(SHADOWS)


@pytest.mark.parametrize("scheduler", [True, False])
def test_an_address_without_a_worker_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, scheduler: bool
) -> None:
    monkeypatch.setattr(parallel, "_WORKER_TIMEOUT", 1)
    with cluster(workers=0) as found, dask.config.set({"distributed.comm.timeouts.connect": "5s"}):
        if not scheduler:
            found.processes[0].kill()
        by(monkeypatch, found.address)
        with pytest.raises(BadConfig, match=f"MAINSPRING_ENGINE: no worker of {found.address}"):
            parallel.map_parallel(str, [1, 2])


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores are chosen on Linux alone")
@pytest.mark.parametrize("cores", [2, 3])
def test_local_dask_workers_keep_to_one_core_each(
    home: Path, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    by(monkeypatch, "dask")  # two workers
    all_of_them = os.sched_getaffinity(0)
    for one in parallel.map_parallel(os.sched_getaffinity, [0, 0, 0]):
        assert (len(one) == 1 and one <= all_of_them) if cores == 2 else one == all_of_them
