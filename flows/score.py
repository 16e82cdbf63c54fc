"""score: the rows of a window get the probability that the champion of their time gives them.

who is champion when ──► spine ► features ► ONNX, per champion ──► predictions
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import moment
from configs.use_case import load_use_case
from tasks.scoring import find_reigns, score_reign, scoring_window, write_predictions


@flow(name="score", flow_run_name="score-{use_case}")
def score(use_case: str, as_of: datetime | None = None, window: str | None = None) -> State[int]:
    """Score what is predicted in [as_of - window, as_of); window like 7d, default: the YAML's.

    Returns the number of rows; 0 as long as there is no champion. Scoring a window again changes
    nothing.
    """
    case, at = load_use_case(use_case), moment(as_of)
    start, end = scoring_window(case, at, window)
    champions = find_reigns(case, (start, end))
    if not champions:
        return Completed(message="nothing scored: there is no champion yet", data=0)
    scored = [score_reign(case, reign, at) for reign in champions]
    rows = write_predictions(case, scored, (champions[0].start, end))
    return Completed(message=f"{rows} rows scored", data=rows)
