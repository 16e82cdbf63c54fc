"""watch: has everybody been heard of in time?

newest row, label, prediction and monitored window ► silences opened and closed ► people are told
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from tasks.ledger.log import open_ledger
from tasks.monitoring.prefect_tasks import check_freshness, send_due_notifications


@flow(name="watch", flow_run_name="watch-{use_case}")
def watch(use_case: str, as_of: datetime | None = None) -> State[None]:
    """Compare what was last heard of each with its deadline; running it again changes nothing."""
    case = load_use_case(use_case)
    silent = check_freshness(open_ledger(), case, utc_or_now(as_of))
    send_due_notifications(case)
    said = "; ".join(entry.evidence["message"] for entry in silent) or "nobody is silent"
    return Completed(message=said)
