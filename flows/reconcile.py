"""reconcile: what the loop waits for is asked for again, and MLflow's alias is put right.

ledger ► whatever asks for something and no run is at ► its event, again
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from tasks.monitoring.prefect_tasks import send_due_notifications
from tasks.promotion.prefect_tasks import resend_requests, sync_champion_alias


@flow(name="reconcile", flow_run_name="reconcile-{use_case}")
def reconcile(use_case: str, as_of: datetime | None = None) -> State[None]:
    """Bring a use case's loop back on its way; does nothing when it is.

    `as_of` is the moment at which runs are looked at: real time, since runs happen in it.
    """
    case = load_use_case(use_case)
    asked = resend_requests(case, utc_or_now(as_of))
    champion = sync_champion_alias(case)
    send_due_notifications(case)
    said = ", ".join(entry.key for entry in asked) or "nothing"
    return Completed(message=f"asked again for {said}; champion is version {champion}")
