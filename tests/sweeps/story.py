"""The story that sweeps disturb: parcels with a champion, and days that each flow works on."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import forkserver, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import polars as pl

from configs.errors import MainspringError
from configs.settings import ROOT, settings
from tasks.storage.lake import open_lake
from tests.baseline.record import ledger_entries, without_clocks
from tests.support.fork_server import fork
from tests.support.parcel_rows import APRIL, DAY, MARCH, parcel_rows
from tests.support.small_case import SmallCase, small_case

NAME = "parcels"
TYPED, UNTYPED = 3, 4  # exit codes of a child that raised
_PRELOADED = [
    "feast.infra.online_stores.sqlite", "feast.infra.passthrough_provider",
    "feast.infra.registry.sql", "feature_repo.asof", "great_expectations", "mlflow.onnx",
    "mlflow.store.model_registry.sqlalchemy_store", "mlflow.store.tracking.sqlalchemy_store",
    "onnxruntime", "prefect", "prefect.flows", "prefect.task_engine", "prefect.flow_engine",
    "sklearn.ensemble", "tests.support.state", "tests.sweeps.story",
]  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A flow of the story and the moment that it runs as of."""

    flow: str
    as_of: datetime

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of its run."""
        version = {"version": 2} if self.flow == "promote" else {}
        key = {"promotion": "decision:2"} if self.flow == "rollback" else {}
        return {"use_case": NAME, "as_of": self.as_of.isoformat(), **version, **key}

    def __str__(self) -> str:
        return f"{self.flow} {self.as_of:%m-%d}"


def list_steps(days: int) -> list[Step]:
    """The steps of some days: each flow a day, and on the third day a new candidate."""
    steps = []
    for day in range(1, days + 1):
        at = APRIL + day * DAY
        flows = ["ingest", "materialize", "score", "monitor"]
        flows += ["train", "promote"] if day == 3 else []
        steps += [Step(flow, at) for flow in flows]
    return steps


@contextmanager
def begin_story(folder: Path, **variables: str) -> Iterator[SmallCase]:
    """Parcels with forty days of rows and version 1 as champion."""
    yaml = {"rollout": {"kind": "direct"}}
    path = os.pathsep.join([str(ROOT), str(folder)])
    with small_case(folder, yaml=yaml, PYTHONPATH=path, **variables) as case:
        case.land("before", parcel_rows(MARCH, days=40))
        case.ingest(APRIL)
        case.train(APRIL)
        case.promote()
        yield case


def land_day(case: SmallCase, step: Step) -> None:
    """Land the rows of the day that an ingest step takes in."""
    if step.flow == "ingest":
        case.land(f"{step.as_of:%m-%d}", parcel_rows(step.as_of - DAY, days=1), at=step.as_of)


def start_fork_server() -> None:
    """Start the server that sweeps fork from, with all that a step imports."""
    get_context("forkserver").set_forkserver_preload(_PRELOADED)
    forkserver.ensure_running()


def start_child(folder: Path, work: Any, *given: Any, **variables: str) -> BaseProcess:
    """Start a function in a process group of its own; its error is written to `error` in `folder`.

    Its exit code is TYPED after an error of Mainspring's own, UNTYPED after any other.
    """
    (folder / "error").unlink(missing_ok=True)
    return fork(_work_apart, folder, work, given, variables=variables)


def _work_apart(folder: Path, work: Any, given: tuple[Any, ...]) -> None:
    os.setsid()  # so that it can be killed with all that it starts
    sys.path[:0] = [str(folder), str(ROOT)]
    with (folder / "log").open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        work(*given)
    except MainspringError as error:
        (folder / "error").write_text(f"{type(error).__name__}: {error}")
        sys.exit(TYPED)
    except BaseException:  # noqa: BLE001 - the exit code says it
        (folder / "error").write_text(traceback.format_exc())
        sys.exit(UNTYPED)


def run_flow(step: Step, api: str) -> None:
    """Run a step's flow under the Prefect server of an address."""
    from importlib import import_module

    from prefect import settings as prefect

    changed = {
        prefect.PREFECT_API_URL: api,
        prefect.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        prefect.PREFECT_API_AUTH_STRING: os.environ.get("PREFECT_API_AUTH_STRING"),
    }
    with prefect.temporary_settings(changed):
        getattr(import_module(f"flows.{step.flow}"), step.flow)(**step.parameters)


def restore_state(whole: Path) -> None:
    """Replace the state folder by a copy of another one."""
    shutil.rmtree(settings().state)
    shutil.copytree(whole, settings().state)


def read_outcome(state: Path) -> dict[str, pl.DataFrame]:
    """All tables of the lake and the ledger, without ids and clocks."""
    folder, store = state / "lake" / NAME, open_lake(NAME)
    names = [log.parent.relative_to(folder).as_posix() for log in folder.rglob("_delta_log")]
    tables = {
        name: without_clocks(store.scan(name).collect().drop("modified", "changed", strict=False))
        for name in names
    }
    entries = [
        {key: str(entry[key]) for key in ("what", "key", "version")}
        for entry in ledger_entries(state / "ledger.db")
    ]
    return {**tables, "ledger": pl.DataFrame(entries)}


def list_differences(
    wanted: dict[str, pl.DataFrame], found: dict[str, pl.DataFrame]
) -> list[tuple[str, str]]:
    """The kind of fault and its table, for each table that is not as wanted."""
    faults = []
    for name in wanted.keys() | found.keys():
        rows, existing = (of.get(name, pl.DataFrame()) for of in (wanted, found))
        if existing.height != rows.height:
            faults.append(("lost" if existing.height < rows.height else "doubled", name))
        elif not existing.equals(rows):
            faults.append(("silent", name))
    return faults
