"""The checks of the state as Prefect tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prefect import get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from configs.errors import Damaged
from configs.schema.use_case import UseCase
from tasks.ledger.descriptions import describe_evidence
from tasks.ledger.log import Ledger
from tasks.ledger.state import read_ledger_state
from tasks.lifecycle import verification
from tasks.lifecycle.damage_episode import find_damage_change
from tasks.lifecycle.verification import StateDamage
from tasks.orchestration.retries import RETRY_TRANSIENT


@task(task_run_name="verify state", cache_policy=NO_CACHE)
def verify_state(use_case: UseCase, as_of: datetime) -> list[StateDamage]:
    """Run `verify_state` as a Prefect task; log and publish the damages."""
    damages = verification.verify_state(use_case, as_of)
    for damage in damages:
        get_run_logger().error("%s", damage)
    if damages:
        create_table_artifact(
            [{"file": d.file, "problem": d.problem, "remedy": d.remedy} for d in damages],
            key=f"{use_case.slug}-damaged",
            description=f"Damaged files, verified at {as_of}",
        )
    return damages


@task(task_run_name="check damage", **RETRY_TRANSIENT)
def check_damage(
    book: Ledger, use_case: UseCase, damages: Sequence[StateDamage], as_of: datetime
) -> None:
    """Record the damage episode that opens or closes. Idempotent.

    A damaged ledger raises Damaged with all damages, which are in no episode then.
    """
    lost = _list_lost(damages)
    try:
        ledger = read_ledger_state(book, use_case.name)
    except Damaged as error:
        raise Damaged("; ".join(lost) or str(error)) from error
    entry = find_damage_change(use_case.name, ledger, lost, as_of)
    if entry is not None and book.record(entry)[1]:
        get_run_logger().error("%s: %s: %s", entry.what, entry.key, describe_evidence(entry))


def report_damages(damages: Sequence[StateDamage]) -> list[str]:
    """Return the repaired damages in words; raise Damaged if a person must replace a file."""
    if lost := _list_lost(damages):
        raise Damaged("; ".join(lost))
    return [str(damage) for damage in damages]


def _list_lost(damages: Sequence[StateDamage]) -> list[str]:
    """Return the damages that a person must repair, in words."""
    return [str(damage) for damage in damages if not damage.repaired]
