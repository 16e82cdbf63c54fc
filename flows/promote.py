"""promote: a candidate goes one step further, from what the ledger says of it.

gate, or what its roll-out has shown ► a person, if asked ► step into the ledger ► alias ► told of
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from tasks.monitoring.prefect_tasks import send_due_notifications
from tasks.promotion.prefect_tasks import (
    advance_candidate,
    ask_person,
    publish_step,
    record_approval,
    sync_champion_alias,
)


@flow(name="promote", flow_run_name="promote-{use_case}-{version}")
def promote(use_case: str, version: int, as_of: datetime | None = None) -> State[None]:
    """Take a version one step further as of `as_of`, by default when it was last asked about.

    Where a person must approve, the run suspends itself and starts again with the answer.
    """
    case, at = load_use_case(use_case), None if as_of is None else utc_or_now(as_of)
    entry = advance_candidate(case, version, at)
    if entry.what == "approval_asked":
        publish_step(case, entry)
        send_due_notifications(case)
        if (answer := ask_person(entry)) is not None:
            record_approval(case, version, answer, utc_or_now())
            entry = advance_candidate(case, version, at)
    if entry.what == "promoted":
        sync_champion_alias(case)
    publish_step(case, entry)
    send_due_notifications(case)
    return Completed(message=f"version {version}, {entry.what}: {entry.evidence['reason']}")
