"""A step of a candidate, or a rollback, told to people and tools: gates, event, pages."""

from __future__ import annotations

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from configs.use_case import UseCase
from tasks.card_page import publish_cards
from tasks.events import tell
from tasks.ledger import Entry
from tasks.promotion import gate_table

_DECIDED = ("promoted", "refused", "rolled_back")


@task(task_run_name="tell of {entry.what}", cache_policy=NO_CACHE)
def tell_step(use_case: UseCase, entry: Entry) -> None:
    """The gates as a table of the run, the champion's event, the pages of those decided."""
    back = entry.what == "rolled_back"
    said = f"back to version {entry.version}" if back else f"version {entry.version} {entry.what}"
    create_table_artifact(
        gate_table(entry.evidence),
        key=f"{'rollback' if back else 'decision'}-{use_case.slug}",
        description=f"{said}: {entry.evidence['reason']}",
    )
    tell(entry)
    if entry.what in _DECIDED:
        publish_cards(use_case, entry)
