"""What people see of an ingest: what landed by table, and an alarm for every file refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from prefect import get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from configs.use_case import UseCase
from tasks import files
from tasks.events import resource_of
from tasks.intake import Intake
from tasks.landing import Verdict
from tasks.markdown import table

REFUSED = "mainspring.refused"


def landed(verdicts: Sequence[Verdict]) -> pl.DataFrame:
    """By table: files, those refused and those that are duplicates, rows, accepted, quarantined."""
    counts = ("rows", "accepted", "quarantined")
    columns = {name: [getattr(v, name) for v in verdicts] for name in ("status", *counts)}
    status = pl.col("status")
    return (
        pl.DataFrame({"table": [v.file.table for v in verdicts], **columns})
        .group_by("table", maintain_order=True)
        .agg(
            pl.len().alias("files"),
            (status == "refused").sum().alias("refused"),
            (status == "duplicate").sum().alias("duplicates"),
            pl.col(counts).sum(),
        )
    )


def message(verdicts: Sequence[Verdict]) -> str:
    """One line for the run's state."""
    count = {
        status: sum(v.status == status for v in verdicts)
        for status in ("accepted", "refused", "duplicate")
    }
    accepted, quarantined = (
        sum(getattr(v, part) for v in verdicts) for part in ("accepted", "quarantined")
    )
    return (
        f"{count['accepted']} files taken ({accepted} rows, {quarantined} more in quarantine), "
        f"{count['refused']} refused, {count['duplicate']} duplicates"
    )


@task(task_run_name="refused files", cache_policy=NO_CACHE)
def alarm(use_case: UseCase, verdicts: Sequence[Verdict], as_of: datetime) -> None:
    """An event and an error line for every refused file, and a table of them.

    It comes before the files are recorded as refused: a kill in between tells it twice, not never.
    """
    refused = [verdict for verdict in verdicts if verdict.status == "refused"]
    for verdict in refused:
        file = verdict.file
        get_run_logger().error("refused: %s", verdict.reason)
        emit_event(
            REFUSED,
            resource={"prefect.resource.id": resource_of(use_case.name), REFUSED: file.path},
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
    get_run_logger().info(message(intake.verdicts))
    text = f"### What landed\n\n{table(landed(intake.verdicts).to_dicts())}"
    create_markdown_artifact(text, key=f"{use_case.slug}-landed")
    create_link_artifact(
        files.link(intake.docs), f"Data Docs of {use_case.name}", key=f"{use_case.slug}-docs",
        description=intake.docs,
    )  # fmt: skip
