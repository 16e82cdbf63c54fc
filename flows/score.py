"""score: the rows of a window are answered by every version of the cast of their time.

who answers when ─► partitions ─► each: spine ► features ► ONNX, all versions of a cast, reasons
                                    └──► shadows ──► predictions ──► contributions, if asked for
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from tasks.orchestration.parallel import map_parallel
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


@flow(name="score", flow_run_name="score-{use_case}")
def score(use_case: str, as_of: datetime | None = None, window: str | None = None) -> State[int]:
    """Score what is predicted in [as_of - window, as_of); window like 7d, default: the YAML's.

    Returns the number of rows; 0 as long as there is no champion. Scoring a window again changes
    nothing.
    """
    case, at = load_use_case(use_case), utc_or_now(as_of)
    start, end = scoring_window(case, at, window)
    partitions = find_partitions(case, (start, end), at)
    if not partitions:
        return Completed(message="nothing scored: there is no champion yet", data=0)
    answered = (partitions[0].start, end)
    folder = choose_spill_folder(case, answered, partitions)
    scored = map_parallel(score_partition, partitions, use_case=case, as_of=at, folder=folder)
    write_shadows(case, scored, answered)
    rows = write_predictions(case, scored, answered)
    if case.explanations.flagged:
        write_contributions(case, scored, answered)
    if folder:
        remove_spill(folder)
    return Completed(message=f"{rows} rows scored", data=rows)
