"""Watch flow: check that data, labels, predictions and monitoring runs arrive on time.

newest row, label, prediction and monitored window ► freshness episodes ► notifications
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.frame import AsOf, FlowRunName, Name, tag_runs
from tasks.ledger.descriptions import read_reason
from tasks.ledger.log import open_ledger
from tasks.monitoring.prefect_tasks import check_freshness, send_due_notifications
from tasks.overview.prefect_tasks import write_overview


@tag_runs
@flow(name="watch", flow_run_name=FlowRunName("watch {use_case} {moment}"))
def watch(use_case: Name, as_of: AsOf = None) -> State[None]:
    """Compare the newest time of each with its deadline; the flow is idempotent."""
    case, now = load_use_case(use_case), utc_or_now(as_of)
    overdue = check_freshness(open_ledger(), case, now)
    send_due_notifications(case)
    write_overview(case, now)
    messages = (read_reason(entry) for entry in overdue)
    return Completed(message="; ".join(messages) or "nothing is overdue")
