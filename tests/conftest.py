"""Fixtures that several kinds of test share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from configs.settings import settings
from tasks.ledger import ledger
from tests.real_s3 import S3, running

if TYPE_CHECKING:
    from tests.real_postgres import Postgres
    from tests.real_redis import RedisServer

os.environ["COLUMNS"] = "200"  # of every console: what is printed does not break where tests read
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A real S3 server, started once a session."""
    with running(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty state folder that all embedded defaults live under."""
    monkeypatch.setenv("MAINSPRING_STATE", str(tmp_path))
    settings.cache_clear()
    ledger.cache_clear()
    yield tmp_path
    settings.cache_clear()
    ledger.cache_clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of this session."""
    from tests.real_postgres import serving

    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """A Redis of this session."""
    from tests.real_redis import serving

    with serving() as server:
        yield server
