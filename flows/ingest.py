"""Ingest flow: validate landed files, commit their rows to the lake, and refresh the features.

landed files ► suites ──► quarantine ─► raw ──► files ──► lost rows: episodes ──► features
                    └──► refused: event, log, table; the other files are committed
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from configs.schema.request_table import derive_request_case
from configs.schema.use_case import UseCase
from flows.frame import AsOf, FlowRunName, Name, RetryRefused, tag_runs
from tasks.ingestion.lake_types import require_declared_types
from tasks.ingestion.prefect_tasks import (
    check_keys,
    commit_rows,
    discover_files,
    list_refused_files,
    publish_ingest_summary,
    record_files,
    refresh_features,
    report_refused_files,
    validate_files,
)
from tasks.ingestion.summary import summarise_ingest
from tasks.ingestion.validated_files import ValidatedFiles
from tasks.ledger.descriptions import read_reason
from tasks.ledger.log import open_ledger
from tasks.monitoring.prefect_tasks import check_lost_rows, send_due_notifications


@tag_runs
@flow(name="ingest", flow_run_name=FlowRunName("ingest {use_case} {moment}"))
def ingest(use_case: Name, as_of: AsOf = None, retry_refused: RetryRefused = False) -> State[str]:
    """Ingest the landed files, and refresh the features up to `as_of`.

    With `retry_refused`, all refused files are validated again. The flow is idempotent. Its state
    is named RowsLost while more rows than usual are quarantined or refused.
    """
    case, at = load_use_case(use_case), utc_or_now(as_of)
    intake, versions, notes = _ingest_landed(case, at, retry_refused)
    request_case = derive_request_case(case)
    if request_case is not None:
        _ingest_landed(request_case, at, retry_refused)
    lost = [read_reason(episode) for episode in check_lost_rows(open_ledger(), case, at)]
    send_due_notifications(case)
    waiting = list_refused_files(case)
    require_declared_types(case)  # after the files of the other tables
    if len(versions) == len(case.tables):  # a view may read any of them
        refresh_features(case, at)
    message = "; ".join([*lost, summarise_ingest(intake.verdicts, waiting), *notes])
    return Completed(message=message, data=message, name="RowsLost" if lost else "Completed")


def _ingest_landed(
    case: UseCase, at: datetime, retry_refused: bool
) -> tuple[ValidatedFiles, dict[str, int], list[str]]:
    """Ingest the landed files of a use case, or of its logged requests."""
    intake = validate_files(case, discover_files(case, retry_refused, at), at)
    versions = commit_rows(case, intake)
    notes = check_keys(case, intake)
    report_refused_files(case, intake.verdicts, at)
    record_files(case, intake.verdicts, at)
    publish_ingest_summary(case, intake, at)
    return intake, versions, notes
