"""score: the rows of a window are answered by every version of the cast of their time.

who answers when ──► spine ► features ► ONNX, all versions of a cast ──► shadows ──► predictions
                                              why flagged, if asked for ──► contributions
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import moment
from configs.use_case import load_use_case
from tasks.reasons import write_contributions
from tasks.scoring import (
    find_casts,
    score_cast,
    scoring_window,
    write_predictions,
    write_shadows,
)


@flow(name="score", flow_run_name="score-{use_case}")
def score(use_case: str, as_of: datetime | None = None, window: str | None = None) -> State[int]:
    """Score what is predicted in [as_of - window, as_of); window like 7d, default: the YAML's.

    Returns the number of rows; 0 as long as there is no champion. Scoring a window again changes
    nothing.
    """
    case, at = load_use_case(use_case), moment(as_of)
    start, end = scoring_window(case, at, window)
    casts = find_casts(case, (start, end))
    if not casts:
        return Completed(message="nothing scored: there is no champion yet", data=0)
    scored = [score_cast(case, cast, at) for cast in casts]
    answered = (casts[0].start, end)
    write_shadows(case, scored, answered)
    rows = write_predictions(case, scored, answered)
    if case.explanations.flagged:
        write_contributions(case, scored, answered)
    return Completed(message=f"{rows} rows scored", data=rows)
