"""The ingestion functions as Prefect tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prefect import get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from configs.schema.use_case import UseCase
from tasks.ingestion import ingest, landing
from tasks.ingestion.ingest import Intake
from tasks.ingestion.landing import FileVerdict, LandedFile
from tasks.ingestion.summary import count_by_table, ingest_message
from tasks.orchestration.events import REFUSED_EVENT, event_resource
from tasks.orchestration.retries import RETRY_TRANSIENT
from tasks.reporting.markdown import render_markdown
from tasks.reporting.table import build_record_table
from tasks.storage import files


@task(task_run_name="find landed files", **RETRY_TRANSIENT)
def discover_files(use_case: UseCase, retry_refused: bool) -> list[LandedFile]:
    """As `landing.discover`, seen by Prefect."""
    files = landing.discover_files(use_case, retry_refused)
    get_run_logger().info("%s landed files were never taken", len(files))
    return files


@task(task_run_name="validate files", **RETRY_TRANSIENT)
def validate_files(use_case: UseCase, files: Sequence[LandedFile], as_of: datetime) -> Intake:
    """As `examine`, seen by Prefect."""
    return ingest.validate_files(use_case, files, as_of)


@task(task_run_name="commit rows", **RETRY_TRANSIENT)
def commit_rows(use_case: UseCase, intake: Intake) -> dict[str, int]:
    """As `commit_rows`, seen by Prefect."""
    versions = ingest.commit_rows(use_case, intake)
    get_run_logger().info("raw tables: %s", versions)
    return versions


@task(task_run_name="record files", **RETRY_TRANSIENT)
def record_files(use_case: UseCase, verdicts: Sequence[FileVerdict], as_of: datetime) -> None:
    """As `landing.record`, seen by Prefect."""
    landing.record_files(use_case, verdicts, as_of)


@task(task_run_name="refused files", cache_policy=NO_CACHE)
def report_refused_files(
    use_case: UseCase, verdicts: Sequence[FileVerdict], as_of: datetime
) -> None:
    """An event and an error line for every refused file, and a table of them.

    It comes before the files are recorded as refused: a kill in between tells it twice, not never.
    """
    refused = [verdict for verdict in verdicts if verdict.status == "refused"]
    for verdict in refused:
        file = verdict.file
        get_run_logger().error("refused: %s", verdict.reason)
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
        create_table_artifact(
            [{"file": v.file.path, "reason": v.reason} for v in refused],
            key=f"{use_case.slug}-refused",
            description=f"Files refused at {as_of}; the data are where they landed",
        )


@task(task_run_name="what landed", cache_policy=NO_CACHE)
def publish_intake(use_case: UseCase, intake: Intake) -> None:
    """A table of what landed, and a link to the Data Docs of the run."""
    if not intake.verdicts:
        get_run_logger().info("nothing new has landed")
        return
    get_run_logger().info(ingest_message(intake.verdicts))
    counts = build_record_table(count_by_table(intake.verdicts).to_dicts())
    text = f"### Landed files\n\n{render_markdown(counts)}"
    create_markdown_artifact(text, key=f"{use_case.slug}-landed")
    create_link_artifact(
        files.link_to(intake.docs), f"Data Docs of {use_case.name}", key=f"{use_case.slug}-docs",
        description=intake.docs,
    )  # fmt: skip
