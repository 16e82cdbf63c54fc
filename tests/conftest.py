"""Fixtures that several kinds of test share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.settings import settings
from tasks.ledger import ledger
from tests.real_s3 import S3, running

os.environ["COLUMNS"] = "200"  # of every console: what is printed does not break where tests read


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
