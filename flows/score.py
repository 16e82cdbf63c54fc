"""Score flow: score a window with every model version active at each prediction time.

routes ─► partitions ─► each: spine ► features ► ONNX, all versions of the route
                          └──► shadows ──► predictions ──► contributions, if configured
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
from tasks.scoring.batch import scoring_window
from tasks.scoring.partitions import choose_spill_folder
from tasks.scoring.prefect_tasks import (
    find_partitions,
    remove_spill,
    score_partition,
    write_contributions,
    write_predictions,
    write_shadows,
)


@flow(name="score", flow_run_name=RunName("score-{use_case}"))
def score(use_case: str, as_of: datetime | None = None, window: str | None = None) -> State[int]:
    """Score the rows with a prediction time in [as_of - window, as_of); return their number.

    Without a champion it is 0. The flow is idempotent.

    Args:
        use_case: The use case to score.
        as_of: The end of the window; None for now.
        window: A duration like 7d; None for the one in the YAML.
    """
    case, at = load_use_case(use_case), utc_or_now(as_of)
    start, end = scoring_window(case, at, window)
    partitions = find_partitions(case, (start, end), at)
    if not partitions:
        return Completed(message="nothing scored: there is no champion yet", data=0)
    span = (partitions[0].start, end)
    folder = choose_spill_folder(case, span, partitions)
    scored = map_parallel(score_partition, partitions, use_case=case, as_of=at, folder=folder)
    write_shadows(case, scored, span)
    rows = write_predictions(case, scored, span)
    if case.explanations.flagged:
        write_contributions(case, scored, span)
    if folder:
        remove_spill(folder)
    return Completed(message=f"{rows} rows scored", data=rows)
