"""Score flow: score the rows that are due with every version active at their prediction time.

rows without a prediction ─► partitions ─► each: spine ► features ► ONNX, all versions of the route
                                    └──► shadows ──► contributions, if configured ──► predictions
"""

from __future__ import annotations

import time

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.frame import AsOf, FlowRunName, Name, Window, tag_runs
from tasks.orchestration.parallel import map_parallel
from tasks.orchestration.progress import publish_progress
from tasks.scoring.plan import count_late_rows
from tasks.scoring.prefect_tasks import (
    plan_scoring,
    publish_scored,
    remove_spill,
    score_partition,
    write_contributions,
    write_predictions,
    write_shadows,
)


@tag_runs
@flow(name="score", flow_run_name=FlowRunName("score {use_case} {moment}"))
def score(use_case: Name, as_of: AsOf = None, window: Window = None) -> State[int]:
    """Score the rows before `as_of` that have no prediction yet; return their number.

    With `window`, score all rows of [as_of - window, as_of) again instead. Without a champion
    nothing is scored. The flow is idempotent: the predictions are written last, in one commit.

    Args:
        use_case: The use case to score.
        as_of: The end of the prediction times; None for now.
        window: A duration like 7d; None to score what is due.
    """
    case, at, begun = load_use_case(use_case), utc_or_now(as_of), time.monotonic()
    plan = plan_scoring(case, at, window)
    if plan is None:
        return Completed(message="nothing scored: there is no champion yet", data=0)
    shared = {"use_case": case, "as_of": at, "folder": plan.folder, "due_in": plan.due_in}
    report = publish_progress(f"{case.slug}-partitions", "partitions", len(plan.partitions))
    scored = map_parallel(score_partition, plan.partitions, report, **shared)
    late = count_late_rows(plan, scored)
    write_shadows(plan, scored)
    if case.explanations.flagged:
        write_contributions(plan, scored)
    rows = write_predictions(plan, scored)
    publish_scored(case, scored, at, time.monotonic() - begun)
    if plan.folder:
        remove_spill(plan.folder)
    lateness = f", {late} of them late" if late else ""
    return Completed(message=f"{rows} rows scored{lateness}", data=rows)
