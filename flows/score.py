"""Score flow: score the rows that are due with every version active at their prediction time.

rows without a prediction ─► partitions ─► each: spine ► features ► ONNX, all versions of the route
                                    └──► shadows ──► contributions, if configured ──► predictions
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from tasks.orchestration.parallel import map_parallel
from tasks.orchestration.run_logs import RunName
from tasks.scoring.plan import count_late_rows
from tasks.scoring.prefect_tasks import (
    plan_scoring,
    remove_spill,
    score_partition,
    write_contributions,
    write_predictions,
    write_shadows,
)


@flow(name="score", flow_run_name=RunName("score-{use_case}"))
def score(use_case: str, as_of: datetime | None = None, window: str | None = None) -> State[int]:
    """Score the rows before `as_of` that have no prediction yet; return their number.

    With `window`, score all rows of [as_of - window, as_of) again instead. Without a champion
    nothing is scored. The flow is idempotent: the predictions are written last, in one commit.

    Args:
        use_case: The use case to score.
        as_of: The end of the prediction times; None for now.
        window: A duration like 7d; None to score what is due.
    """
    case, at = load_use_case(use_case), utc_or_now(as_of)
    plan = plan_scoring(case, at, window)
    if plan is None:
        return Completed(message="nothing scored: there is no champion yet", data=0)
    shared = {"use_case": case, "as_of": at, "folder": plan.folder, "due_in": plan.due_in}
    scored = map_parallel(score_partition, plan.partitions, **shared)
    late = count_late_rows(plan, scored)
    write_shadows(plan, scored)
    if case.explanations.flagged:
        write_contributions(plan, scored)
    rows = write_predictions(plan, scored)
    if plan.folder:
        remove_spill(plan.folder)
    lateness = f", {late} of them late" if late else ""
    return Completed(message=f"{rows} rows scored{lateness}", data=rows)
