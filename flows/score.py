"""score: the rows of a window are answered by every version of the cast of their time.

who answers when ─► partitions ─► each: spine ► features ► ONNX, all versions of a cast, reasons
                                    └──► shadows ──► predictions ──► contributions, if asked for
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import moment
from configs.use_case import load_use_case
from tasks.engine import each
from tasks.partitions import (
    aside,
    clear_aside,
    find_partitions,
    score_partition,
    write_contributions,
    write_predictions,
    write_shadows,
)
from tasks.scoring import scoring_window


@flow(name="score", flow_run_name="score-{use_case}")
def score(use_case: str, as_of: datetime | None = None, window: str | None = None) -> State[int]:
    """Score what is predicted in [as_of - window, as_of); window like 7d, default: the YAML's.

    Returns the number of rows; 0 as long as there is no champion. Scoring a window again changes
    nothing.
    """
    case, at = load_use_case(use_case), moment(as_of)
    start, end = scoring_window(case, at, window)
    partitions = find_partitions(case, (start, end), at)
    if not partitions:
        return Completed(message="nothing scored: there is no champion yet", data=0)
    answered = (partitions[0].start, end)
    folder = aside(case, answered, partitions)
    scored = each(score_partition, partitions, use_case=case, as_of=at, folder=folder)
    write_shadows(case, scored, answered)
    rows = write_predictions(case, scored, answered)
    if case.explanations.flagged:
        write_contributions(case, scored, answered)
    if folder:
        clear_aside(folder)
    return Completed(message=f"{rows} rows scored", data=rows)
