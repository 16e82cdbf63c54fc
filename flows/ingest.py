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
from configs.schema.request_table import REQUEST_TABLE, derive_request_case
from configs.schema.use_case import UseCase
from flows.frame import AsOf, FlowRunName, Name, RetryRefused, tag_runs
from tasks.features.prefect_tasks import publish_views
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
from tasks.scoring.prefect_tasks import append_logged_predictions
from tasks.serving.prefect_tasks import remove_old_requests


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
        _ingest_landed(request_case, at, retry_refused, predicted=case)
        remove_old_requests(case, at)
    lost = [read_reason(episode) for episode in check_lost_rows(open_ledger(), case, at)]
    send_due_notifications(case)
    waiting = list_refused_files(case)
    require_declared_types(case)  # after the files of the other tables
    if len(versions) == len(case.tables):  # a view may read any of them
        refresh_features(case, at)
        views = case.serving.tables.views if case.serving and case.serving.tables else ()
        if views:
            publish_views(case, views, at)
    message = "; ".join([*lost, summarise_ingest(intake.verdicts, waiting), *notes])
    return Completed(message=message, data=message, name="RowsLost" if lost else "Completed")


def _ingest_landed(
    case: UseCase, at: datetime, retry_refused: bool, predicted: UseCase | None = None
) -> tuple[ValidatedFiles, dict[str, int], list[str]]:
    """Ingest the landed files of a use case, or of the requests that it `predicted`."""
    intake = validate_files(case, discover_files(case, retry_refused, at), at)
    versions = commit_rows(case, intake)
    notes = check_keys(case, intake)
    report_refused_files(case, intake.verdicts, at)
    if predicted is not None:  # before the record of the files: after a kill they come again
        append_logged_predictions(predicted, intake.accepted.get(REQUEST_TABLE, {}), at)
    record_files(case, intake.verdicts, at)
    publish_ingest_summary(case, intake, at)
    return intake, versions, notes
