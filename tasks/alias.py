"""MLflow's alias `champion`: a copy of what the ledger says, for people and tools."""

from __future__ import annotations

from prefect import get_run_logger, task

from configs.faults import effect
from configs.use_case import UseCase
from tasks.ledger import Ledger, champion, ledger
from tasks.registry import champion_alias, set_champion_alias
from tasks.retries import STEADY


def follow(book: Ledger, model: str) -> int | None:
    """Make the alias the ledger's champion; its version, None as long as there is none.

    Both are looked at again after writing: of two that follow at once, the slower one may have
    written an older champion.
    """
    while True:
        reigning = champion(book.entries(model))
        if reigning is None or reigning.version is None:
            return None
        if champion_alias(model) == reigning.version:
            return reigning.version
        with effect("set the alias"):
            set_champion_alias(model, reigning.version)


@task(task_run_name="alias follows the ledger", **STEADY)
def follow_ledger(use_case: UseCase) -> int | None:
    """As `follow`, seen by Prefect."""
    version = follow(ledger(), use_case.name)
    get_run_logger().info("alias champion is version %s", version)
    return version
