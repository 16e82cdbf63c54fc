"""Verify flow: compare the stored state with what was recorded when it was written.

lake, landed files, model versions and databases ► damaged files ► feature tables made again
                                                                └──► episode ► notifications
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.frame import AsOf, FlowRunName, Name, tag_runs
from tasks.ledger.log import open_ledger
from tasks.lifecycle.prefect_tasks import check_damage, report_damages, verify_state
from tasks.monitoring.prefect_tasks import send_due_notifications


@tag_runs
@flow(name="verify", flow_run_name=FlowRunName("verify {use_case} {moment}"))
def verify(use_case: Name, as_of: AsOf = None) -> State[None]:
    """Verify all of the state; Damaged, after everything was read, if something cannot be repaired.

    An episode pages until a later run finds nothing damaged. The flow is idempotent.
    """
    case, at = load_use_case(use_case), utc_or_now(as_of)
    damages = verify_state(case, at)
    check_damage(open_ledger(), case, damages, at)
    send_due_notifications(case)
    return Completed(message="; ".join(report_damages(damages)) or "nothing is damaged")
