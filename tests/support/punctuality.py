"""The arrivals of real flights as a label of three classes: early, on time, late."""

from datetime import datetime
from typing import Any

import polars as pl

from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from feature_repo.flights import transforms
from tests.support.delays import INPUTS, delays

CLASSES = ("early", "on_time", "late")
COST = {"wrong": 1, "exceptions": {"late": {"early": 5, "on_time": 3}}}


def punctuality(minutes: pl.Expr) -> pl.Expr:
    """The name of a delay's class."""
    named = pl.when(minutes > 15).then(pl.lit("late")).when(minutes < -10).then(pl.lit("early"))
    return named.otherwise(pl.lit("on_time"))


def arrivals(raw: transforms.Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """As the labels of the flights, with how they arrive in `arrival`."""
    rows = delays(raw, start, end)
    return rows.with_columns(arrival=punctuality(pl.col("delay"))).drop("delay")


def classes_use_case(**changes: Any) -> UseCase:
    """The flights with how they arrive as label, a few inputs, small spans and small models: a
    boosting of three steps, which is little more than the shares of the classes, and a better
    regression.

    `arrivals` has to be made a function of the feature module: monkeypatch.setattr(transforms, …).
    """
    flights = load_use_case("flights").model_dump(mode="json", by_alias=True)
    params = {"max_iter": 3, "min_samples_leaf": 50, "early_stopping": False}
    ensemble = "sklearn.ensemble.HistGradientBoostingClassifier"
    linear = "sklearn.linear_model.LogisticRegression"
    flights |= {
        "title": "Will this flight arrive early, on time or late?",
        "label": {
            "function": "arrivals", "column": "arrival", "kind": "multiclass",
            "classes": list(CLASSES),
        },
        "features": flights["features"] | INPUTS,
        "candidates": {
            "boosting": {"estimator": ensemble, "params": params},
            "logistic": {"estimator": linear, "encoding": "one_hot",
                         "params": {"C": 0.01, "max_iter": 300}},
        },
        "split": {"validation": "4d", "holdout": "6d", "min_rows": 1000},
        "evaluation": {"cost": COST, "slices": ["origin"]},
        "gate": {"resamples": 1000, "min_rows": 500},
        "explanations": {"flagged": ["late"], "top": 2},
        "monitor": {
            "performance": [{"metric": "log_loss", "window": "7d", "worse_by": 0.15},
                            {"metric": "calibration_gap", "window": "7d", "worse_by": 0.1}],
        },
    }  # fmt: skip
    return UseCase.model_validate(flights | changes)
