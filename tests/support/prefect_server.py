"""The flights use case, made small, with a real Prefect server and a worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
import yaml

from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from configs.settings import ROOT, settings
from tasks.ledger.log import Entry, open_ledger
from tasks.storage import files
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer
from tests.support.s3 import S3
from tests.support.stack import run_stack
from tests.support.state import state

NAME = "flights"
EARLIER, LATER = datetime(2013, 1, 22, tzinfo=UTC), datetime(2013, 1, 29, tzinfo=UTC)
Found = TypeVar("Found")


@contextmanager
def run_servers(
    home: Path,
    places: Mapping[str, str] | None = None,
    *,
    mlflow: bool = False,
    reports: bool = False,
) -> Iterator[UseCase]:
    """Four weeks of flights in a lake, and server and worker with the deployments that ship.

    `places` are settings, by the names of their variables: what is not among them is embedded.
    """
    (home / "configs").mkdir()
    variables = {**(places or {}), "MAINSPRING_USE_CASES": str(home / "configs")}
    with state(home / "state", variables):
        write_small_yaml()
        with run_stack(mlflow=mlflow, reports=reports):
            ingest(date(2012, 12, 31), date(2013, 1, 29))
            yield load_use_case(NAME)


def on_servers(postgres: Postgres, redis: RedisServer, s3: S3) -> dict[str, str]:
    """The settings by which everything that can be is on a server."""
    return (
        s3.variables
        | s3.places(s3.bucket())
        | {
            "MAINSPRING_LEDGER_URL": postgres.database("ledger"),
            "MAINSPRING_MLFLOW_URI": postgres.database("mlflow"),
            "MAINSPRING_FEAST_REGISTRY": postgres.database("feast"),
            "MAINSPRING_PREFECT_DATABASE": postgres.database("prefect"),
            "MAINSPRING_FEAST_ONLINE": redis.database(),
        }
    )


def write_small_yaml(**changes: Any) -> UseCase:
    """Write the YAML that all processes read: spans and models small enough for four weeks."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "configs" / f"{NAME}.yaml").read_text())
    content["split"] = {"validation": "3d", "holdout": "5d", "min_rows": 500}
    content["gate"]["min_rows"] = 500
    content["rollout"] = {"kind": "direct"}
    content["candidates"]["boosting"]["params"] = {"max_iter": 20, "min_samples_leaf": 100}
    for section, values in changes.items():
        content[section] = {**content[section], **values} if isinstance(values, dict) else values
    path = settings().use_cases / f"{NAME}.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return load_use_case(NAME)


def ingest(start: date, end: date) -> None:
    """Land the files of [start, end) and take them in at the end."""
    from feature_repo.flights.source import write_landing
    from flows.ingest import ingest

    with TemporaryDirectory() as landed:
        write_landing(Path(landed), start, end)
        files.upload_folder(Path(landed), f"{settings().landing}/{NAME}")
    ingest(NAME, as_of=datetime(end.year, end.month, end.day, tzinfo=UTC))


def another_version(version: int) -> int:
    """A version of the same file as another one."""
    from tasks.models.mlflow.client import connect_mlflow

    client = connect_mlflow()
    made = client.get_model_version(NAME, str(version))
    again = client.create_model_version(NAME, made.source, made.run_id, tags=made.tags)
    return int(again.version)


def candidate(version: int) -> Entry:
    """A version, recorded as a candidate that nobody was told of."""
    from tasks.training.candidate import record_candidate

    origin = f"train:test-{version}"
    return record_candidate(open_ledger(), NAME, version, origin, LATER, "test")


def entry_of(key: str) -> Entry | None:
    return next((e for e in open_ledger().entries(NAME) if e.key == key), None)


def until(look: Callable[[], Found | None], what: str, seconds: float = 120) -> Found:
    """What a look finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.5)
    pytest.fail(f"no {what} within {seconds:.0f} s")
