"""Rollback flow: undo a promotion and restore the previous champion.

rollback in the ledger ► MLflow alias, targets ► notifications
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.frame import AsOf, FlowRunName, Name, PromotionKey, tag_runs
from tasks.ledger.descriptions import read_reason
from tasks.ledger.log import open_ledger
from tasks.monitoring.prefect_tasks import send_due_notifications
from tasks.overview.prefect_tasks import write_overview
from tasks.promotion.prefect_tasks import publish_step, roll_back_as_asked, sync_champion_alias
from tasks.targets.prefect_tasks import follow_targets


@tag_runs
@flow(name="rollback", flow_run_name=FlowRunName("rollback {use_case} {moment}"))
def rollback(use_case: Name, promotion: PromotionKey, as_of: AsOf = None) -> State[None]:
    """Undo a promotion from `as_of` on; the flow is idempotent.

    It needs the ledger and the registry. The previous champion scores the next batch.

    Args:
        use_case: The use case of the promotion.
        promotion: The promotion's key in the ledger.
        as_of: The moment from which the previous champion is champion again.
    """
    case, at = load_use_case(use_case), utc_or_now(as_of)
    entry = roll_back_as_asked(case, promotion, at)
    version = sync_champion_alias(case)
    if entry is None:
        write_overview(case, at)
        return Completed(
            message=f"{promotion} is not the current promotion: champion is version {version}"
        )
    publish_step(case, entry)
    follow_targets(open_ledger(), case, entry.at)
    send_due_notifications(case)
    write_overview(case, at)
    return Completed(message=f"version {version} is champion again: {read_reason(entry)}")
