"""Follow flow: bring the targets outside to the versions and shares of the ledger.

champion and challenger of the ledger ► each target ► episode of a target that fails ► notifications
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.frame import AsOf, FlowRunName, Name, tag_runs
from tasks.ledger.log import open_ledger
from tasks.monitoring.prefect_tasks import send_due_notifications
from tasks.targets.prefect_tasks import follow_targets


@tag_runs
@flow(name="follow", flow_run_name=FlowRunName("follow {use_case} {moment}"))
def follow(use_case: Name, as_of: AsOf = None) -> State[None]:
    """Bring each target to the ledger's versions; a target that is down stops no other.

    The flow is idempotent, and reads the wanted state from the ledger alone.
    """
    case, at = load_use_case(use_case), utc_or_now(as_of)
    outcomes = follow_targets(open_ledger(), case, at)
    send_due_notifications(case)
    return Completed(message="; ".join(map(str, outcomes)) or "the YAML names no target")
