"""Reconcile flow: resend unprocessed requests, and sync MLflow's alias with the ledger.

ledger ► requests that no run has processed ► their events, again ► MLflow alias
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.frame import AsOf, FlowRunName, Name, tag_runs
from tasks.monitoring.prefect_tasks import send_due_notifications
from tasks.promotion.prefect_tasks import resend_requests, sync_champion_alias


@tag_runs
@flow(name="reconcile", flow_run_name=FlowRunName("reconcile {use_case} {moment}"))
def reconcile(use_case: Name, as_of: AsOf = None) -> State[None]:
    """Resend the overdue requests of a use case; without any, nothing changes.

    `as_of` is compared with the times of Prefect runs, so it must be real time.
    """
    case = load_use_case(use_case)
    resent = resend_requests(case, utc_or_now(as_of))
    champion = sync_champion_alias(case)
    send_due_notifications(case)
    keys = ", ".join(entry.key for entry in resent) or "nothing"
    return Completed(message=f"resent {keys}; champion is version {champion}")
