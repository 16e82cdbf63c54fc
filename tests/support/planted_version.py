"""A version that knows nothing of one airport's flights."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from configs.schema.use_case import UseCase
from tasks.features.retrieval import build_training_set
from tasks.model_cards.registration import register_candidate
from tasks.training.pipeline import TrainingSteps, train_model


def register_planted_version(case: UseCase, start: datetime, as_of: datetime) -> int:
    """Register a version that was trained on shuffled labels of the flights from Newark.

    Args:
        case: small flights.
        start: three weeks before it, the training set begins.
        as_of: moment of the training.
    """

    def plant(case: UseCase, start: datetime, end: datetime, as_of: datetime) -> pl.DataFrame:
        rows, label = build_training_set(case, start, end, as_of), case.label.column
        one, shuffled = pl.col("origin") == "EWR", pl.col(label).shuffle(seed=1)
        return rows.with_columns(
            pl.when(one).then(shuffled.over(one)).otherwise(label).alias(label)
        )

    params = {"max_iter": 100, "min_samples_leaf": 50}
    larger = case.candidates["boosting"].model_copy(update={"params": params})
    retrain = case.retrain.model_copy(update={"window": as_of - start + timedelta(weeks=3)})
    case = case.model_copy(update={"candidates": {"boosting": larger}, "retrain": retrain})
    planted = train_model(case, as_of, TrainingSteps(build_training_set=plant))
    return register_candidate(planted, "train:planted")
