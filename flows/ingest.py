"""ingest: what has landed and was never taken goes into the lake, and the features follow.

landed files ► suites ──► quarantine ─► raw ──► files ──► features
                    └──► refused: event, error, table; the other files go on
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from tasks.features.prefect_tasks import refresh_features
from tasks.ingestion.prefect_tasks import (
    commit_rows,
    discover_files,
    publish_intake,
    record_files,
    report_refused_files,
    validate_files,
)
from tasks.ingestion.summary import ingest_message


@flow(name="ingest", flow_run_name="ingest-{use_case}")
def ingest(use_case: str, as_of: datetime | None = None, retry_refused: bool = False) -> State[str]:
    """Take what has landed and bring the features up to `as_of`; the run's message counts it.

    `retry_refused` looks again at files that were refused. Running it again commits nothing.
    """
    case, at = load_use_case(use_case), utc_or_now(as_of)
    intake = validate_files(case, discover_files(case, retry_refused), at)
    versions = commit_rows(case, intake)
    report_refused_files(case, intake.verdicts, at)
    record_files(case, intake.verdicts, at)
    publish_intake(case, intake)
    if len(versions) == len(case.tables):  # a view may read any of them
        refresh_features(case, at)
    said = ingest_message(intake.verdicts)
    return Completed(message=said, data=said)
