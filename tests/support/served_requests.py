"""Requests to a served use case in this process, and the ingest of what they leave behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from starlette.testclient import TestClient

from configs.schema.request_table import REQUEST_TABLE, derive_request_case
from configs.schema.use_case import UseCase
from tasks.ingestion.ingest import commit_rows, validate_files
from tasks.ingestion.landing import discover_files, record_files
from tasks.scoring.logged_predictions import append_logged_predictions
from tasks.serving.app import create_prediction_app


@contextmanager
def serving(use_case: UseCase, clock: Callable[[], datetime]) -> Iterator[TestClient]:
    """A client of the server; what it wrote has landed at the end of the block."""
    app = create_prediction_app(use_case, clock)
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def ingest_requests(use_case: UseCase, as_of: datetime, *, killed: bool = False) -> int:
    """What the ingest flow does with logged requests; return the predictions that it appends.

    Args:
        use_case: the use case.
        as_of: time of the ingest.
        killed: whether it ends before the files are recorded.
    """
    case = derive_request_case(use_case)
    assert case is not None
    intake = validate_files(case, discover_files(case, as_of=as_of), as_of)
    commit_rows(case, intake)
    appended = append_logged_predictions(use_case, intake.accepted.get(REQUEST_TABLE, {}), as_of)
    if not killed:
        record_files(case, intake.verdicts, as_of)
    return appended
