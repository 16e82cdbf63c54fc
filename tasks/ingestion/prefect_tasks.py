"""The ingestion functions as Prefect tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prefect import get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from configs.schema.use_case import UseCase
from tasks.ingestion import feature_refresh, ingest, landing
from tasks.ingestion.landing import FileVerdict, LandedFile
from tasks.ingestion.rows.erased_keys import count_erased_rows
from tasks.ingestion.rows.similar_keys import find_similar_keys
from tasks.ingestion.summary import render_ingest, summarise_ingest
from tasks.ingestion.validated_files import ValidatedFiles
from tasks.ledger.log import open_ledger
from tasks.orchestration.events import REFUSED_EVENT, event_resource
from tasks.orchestration.retries import RETRY_TRANSIENT
from tasks.reporting.markdown import render_markdown
from tasks.reporting.table import build_record_table
from tasks.storage import files


@task(task_run_name="find landed files", **RETRY_TRANSIENT)
def discover_files(use_case: UseCase, retry_refused: bool, as_of: datetime) -> list[LandedFile]:
    """Run `landing.discover_files` as a Prefect task; logs the number of new files."""
    landed = landing.discover_files(use_case, retry_refused, as_of)
    get_run_logger().info("%s new landed files", len(landed))
    return landed


@task(task_run_name="validate files", **RETRY_TRANSIENT)
def validate_files(
    use_case: UseCase, files: Sequence[LandedFile], as_of: datetime
) -> ValidatedFiles:
    """Run `ingest.validate_files` as a Prefect task."""
    return ingest.validate_files(use_case, files, as_of)


@task(task_run_name="commit rows", **RETRY_TRANSIENT)
def commit_rows(use_case: UseCase, validated: ValidatedFiles) -> dict[str, int]:
    """Run `ingest.commit_rows` as a Prefect task; logs the raw table versions."""
    versions = ingest.commit_rows(use_case, validated)
    get_run_logger().info("raw tables: %s", versions)
    return versions


@task(task_run_name="refresh features", **RETRY_TRANSIENT)
def refresh_features(use_case: UseCase, as_of: datetime) -> dict[str, int]:
    """Run `feature_refresh.refresh_features` as a Prefect task; logs the table versions."""
    versions = feature_refresh.refresh_features(use_case, as_of)
    get_run_logger().info("feature tables known by %s: %s", as_of, versions)
    return versions


@task(task_run_name="check keys", **RETRY_TRANSIENT)
def check_keys(use_case: UseCase, validated: ValidatedFiles) -> list[str]:
    """Return sentences on accepted keys: those that look alike, and those that were erased."""
    similar = find_similar_keys(use_case, validated.accepted)
    erased = count_erased_rows(open_ledger().entries(use_case.name), validated.accepted)
    notes = [each.describe() for each in similar]
    notes += [
        f"{count} rows of {table} have a key that was erased" for table, count in erased.items()
    ]
    for note in notes:
        get_run_logger().warning("%s", note)
    return notes


@task(task_run_name="record files", **RETRY_TRANSIENT)
def record_files(use_case: UseCase, verdicts: Sequence[FileVerdict], as_of: datetime) -> None:
    """Run `landing.record_files` as a Prefect task."""
    landing.record_files(use_case, verdicts, as_of)


@task(task_run_name="report refused files", cache_policy=NO_CACHE)
def report_refused_files(
    use_case: UseCase, verdicts: Sequence[FileVerdict], as_of: datetime
) -> None:
    """Emit an event and log an error for every newly refused file; publish a table of them.

    Runs before the refusals are recorded: after a kill in between they are reported again.
    """
    refused = landing.select_new_refusals(use_case, verdicts)
    for verdict in refused:
        file = verdict.file
        get_run_logger().error("file refused: %s", verdict.reason)
        emit_event(
            REFUSED_EVENT,
            resource={
                "prefect.resource.id": event_resource(use_case.name),
                REFUSED_EVENT: file.path,
            },
            payload={
                "use_case": use_case.name, "as_of": as_of.isoformat(), "table": file.table,
                "file": file.path, "reason": verdict.reason,
            },
        )  # fmt: skip
    if refused:
        table = build_record_table([{"file": v.file.path, "reason": v.reason} for v in refused])
        create_markdown_artifact(
            render_markdown(table),
            key=f"{use_case.slug}-refused",
            description=f"Files refused at {as_of}; they stay in the landing folder",
        )


@task(task_run_name="list refused files", **RETRY_TRANSIENT)
def list_refused_files(use_case: UseCase) -> list[str]:
    """Run `landing.list_refused_files` as a Prefect task; return the paths, and log the reasons."""
    refused = landing.list_refused_files(use_case)
    for path, reason in refused.select("path", "reason").iter_rows():
        get_run_logger().warning("%s waits in the landing folder: %s", path, reason)
    return refused["path"].to_list()


@task(task_run_name="publish ingest summary", cache_policy=NO_CACHE)
def publish_ingest_summary(use_case: UseCase, validated: ValidatedFiles, as_of: datetime) -> None:
    """Publish the ingested files, broken rules and rows in quarantine; log the summary.

    The page of the validation and the Data Docs are linked.
    """
    if not validated.verdicts:
        get_run_logger().info("no new files")
        return
    get_run_logger().info(summarise_ingest(validated.verdicts))
    for verdict in validated.verdicts:
        if verdict.status in ("waiting", "ignored"):
            get_run_logger().warning("file not taken: %s", verdict.reason)
    summary = f"{as_of:%Y-%m-%d}: {summarise_ingest(validated.verdicts)}"
    create_markdown_artifact(
        render_ingest(validated), key=f"{use_case.slug}-landed", description=summary
    )
    if validated.page:
        create_link_artifact(
            files.link_to(validated.page),
            f"Validation of {use_case.name}",
            key=f"{use_case.slug}-validation",
            description=summary,
        )
    if validated.docs:
        create_link_artifact(
            files.link_to(validated.docs),
            f"Data Docs of {use_case.name}",
            key=f"{use_case.slug}-docs",
            description=f"{as_of:%Y-%m-%d}: the same results, as Great Expectations shows them",
        )
