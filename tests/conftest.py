"""Fixtures that several kinds of test share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.ledger.log import open_ledger
from tests.support.s3 import S3, serve_s3
from tests.support.state import forget

if TYPE_CHECKING:
    from tests.support.postgres import Postgres
    from tests.support.redis import RedisServer
    from tests.support.small_case import SmallCase

os.environ["COLUMNS"] = "200"  # of every console: what is printed does not break where tests read
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
SYSTEM_FOLDERS = ("e2e", "faults", "sweeps", "browser", "benchmarks")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of folders that hold system tests alone, and those with a Prefect server."""
    for item in items:
        if item.path.parent.name in SYSTEM_FOLDERS or item.get_closest_marker("server"):
            item.add_marker(pytest.mark.system)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A real S3 server, started once a session."""
    with serve_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    """The address of a Prefect server for the flows that tests call; its settings reach nobody."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    apart, harness = copy_context(), prefect_test_harness(server_startup_timeout=120)
    apart.run(harness.__enter__)
    yield str(apart.run(PREFECT_API_URL.value))
    apart.run(harness.__exit__, None, None, None)


@pytest.fixture(scope="module")
def api(prefect_server: str) -> Iterator[None]:
    """Flows that tests call run under the session's server, without waiting for heartbeats."""
    from prefect import settings as prefect

    changed = {
        prefect.PREFECT_API_URL: prefect_server,
        prefect.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    }
    with prefect.temporary_settings(changed):
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty state folder that all embedded defaults live under."""
    monkeypatch.setenv("MAINSPRING_STATE", str(tmp_path))
    settings.cache_clear()
    open_ledger.cache_clear()
    yield tmp_path
    settings.cache_clear()
    open_ledger.cache_clear()


@pytest.fixture
def bucket(s3_server: S3, home, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of the test's own, and all addresses in it."""
    name = s3_server.bucket()
    for variable, value in (s3_server.variables | s3_server.places(name)).items():
        monkeypatch.setenv(variable, value)
    forget()
    yield name
    forget()


@pytest.fixture
def flights(home: Path) -> UseCase:
    """The flights use case, with an empty state folder."""
    return load_use_case("flights")


@pytest.fixture
def make_case(tmp_path: Path) -> Iterator[Callable[..., SmallCase]]:
    """Makes a small use case by the arguments of `small_case`; the newest one is in force."""
    from tests.support.small_case import small_case

    with ExitStack() as stack:

        def make(**arguments: Any) -> SmallCase:
            folder = tmp_path / f"case{len(list(tmp_path.iterdir()))}"
            return stack.enter_context(small_case(folder, **arguments))

        yield make


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of this session."""
    from tests.support.postgres import serve_postgres

    with serve_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """A Redis of this session."""
    from tests.support.redis import serve_redis

    with serve_redis() as server:
        yield server
