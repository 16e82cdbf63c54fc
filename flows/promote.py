"""Promote flow: decide on a candidate's next step, from its state in the ledger.

gate or review ► approval, if required ► refit, if configured ► ledger ► alias ► targets
                                                                      └──► notifications
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.frame import FlowRunName, Name, StepAsOf, VersionNumber, tag_runs
from tasks.ledger.descriptions import read_reason
from tasks.ledger.log import open_ledger
from tasks.monitoring.prefect_tasks import send_due_notifications
from tasks.overview.prefect_tasks import write_overview
from tasks.promotion.prefect_tasks import (
    advance_candidate,
    ask_person,
    publish_step,
    record_approval,
    refit_version,
    sync_champion_alias,
)
from tasks.targets.prefect_tasks import follow_targets


@tag_runs
@flow(name="promote", flow_run_name=FlowRunName("promote {use_case} v{version} {moment}"))
def promote(use_case: Name, version: VersionNumber, as_of: StepAsOf = None) -> State[None]:
    """Advance a version by one step as of `as_of`, by default the time of its last request.

    Where approval is required, the run suspends itself and resumes with the answer. Where a refit
    is configured, it takes the version's place as soon as the gate is passed.
    """
    case, at = load_use_case(use_case), None if as_of is None else utc_or_now(as_of)
    entry = advance_candidate(case, version, at)
    if entry.what == "approval_asked":
        publish_step(case, entry)
        send_due_notifications(case)
        write_overview(case, entry.at)
        if (answer := ask_person(entry)) is not None:
            record_approval(case, version, answer, utc_or_now())
            entry = advance_candidate(case, version, at)
    if entry.what == "refit_asked":
        entry = advance_candidate(case, refit_version(case, entry), at)
    if entry.what in ("promoted", "refused"):
        sync_champion_alias(case)
    publish_step(case, entry)
    follow_targets(open_ledger(), case, entry.at)
    send_due_notifications(case)
    write_overview(case, entry.at)
    return Completed(message=f"version {entry.version}, {entry.what}: {read_reason(entry)}")
