"""Two days of January, as a window to score."""

from datetime import datetime, timedelta

import polars as pl

from configs.schema.use_case import UseCase
from tasks.models.registry import Model
from tasks.scoring.batch import build_prediction_rows
from tests.support.flights import END

DAY = timedelta(days=1)
WINDOW = (END - 2 * DAY, END)


def predict_window(
    use_case: UseCase,
    model: Model,
    rows: pl.DataFrame,
    arm: str = "champion",
    run: str = "run 1",
    at: datetime = END,
) -> pl.DataFrame:
    return build_prediction_rows(use_case, model, rows, arm, at, run)
