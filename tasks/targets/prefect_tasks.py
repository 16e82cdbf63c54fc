"""Targets as Prefect tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from configs.schema.use_case import UseCase
from tasks.ledger.descriptions import describe_evidence
from tasks.ledger.log import Ledger
from tasks.ledger.state import read_ledger_state
from tasks.orchestration.retries import RETRY_TRANSIENT
from tasks.targets import follow
from tasks.targets.follow import TargetOutcome
from tasks.targets.wanted_versions import WantedVersion, find_wanted_versions


def follow_targets(book: Ledger, use_case: UseCase, as_of: datetime) -> list[TargetOutcome]:
    """Bring each target to the ledger's versions, and record which of them fail. Idempotent."""
    if not use_case.targets:
        return []
    wanted = find_wanted_versions(book.entries(use_case.name), as_of)
    outcomes = [follow_target(use_case, name, wanted) for name in use_case.targets]
    record_target_episodes(book, use_case, outcomes, as_of)
    return outcomes


@task(task_run_name="follow {name}", cache_policy=NO_CACHE)
def follow_target(use_case: UseCase, name: str, wanted: Sequence[WantedVersion]) -> TargetOutcome:
    """Run `follow_target` as a Prefect task; log the outcome."""
    outcome = follow.follow_target(use_case, name, wanted)
    (get_run_logger().error if outcome.problem else get_run_logger().info)("%s", outcome)
    return outcome


@task(task_run_name="record targets", **RETRY_TRANSIENT)
def record_target_episodes(
    book: Ledger, use_case: UseCase, outcomes: Sequence[TargetOutcome], as_of: datetime
) -> None:
    """Record the episodes of targets that open or close. Idempotent."""
    ledger = read_ledger_state(book, use_case.name)
    for entry in follow.find_target_changes(use_case.name, ledger, outcomes, as_of):
        if book.record(entry)[1]:
            get_run_logger().info("%s: %s: %s", entry.what, entry.key, describe_evidence(entry))
