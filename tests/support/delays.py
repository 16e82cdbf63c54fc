"""The delays of real flights as a label that is a number: minutes late, early ones below 0."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from feature_repo.flights import transforms
from feature_repo.rolling import versions

INPUTS = {"numeric": ["distance", "departure_hour", "airport_delay_3h", "carrier_delay_3h"],
          "categorical": ["carrier", "origin"]}  # fmt: skip


def delays(raw: transforms.Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """As the labels of the flights, with the delay itself (minutes) in `delay`."""
    days = raw["arrivals"].filter(
        pl.col("flight_date") >= start - timedelta(days=3), pl.col("flight_date") <= end
    )
    known = (
        versions(days.drop_nulls("delay"), transforms.FLIGHT, "landed", "reported")
        .filter(pl.col("until").is_null())
        .select(*transforms.FLIGHT, "delay", label_known_time="since")
    )
    asked = transforms.spine(raw, start, end).select(*transforms.FLIGHT, "prediction_time")
    return asked.join(known, on=transforms.FLIGHT, how="inner", maintain_order="left")


def delays_use_case(**changes: Any) -> UseCase:
    """The flights with their delay as label, a few inputs, small spans and small models.

    `delays` has to be made a function of the feature module: monkeypatch.setattr(transforms, …).
    """
    flights = load_use_case("flights").model_dump(mode="json", by_alias=True)
    params = {"max_iter": 30, "min_samples_leaf": 50, "early_stopping": False}
    ensemble = "sklearn.ensemble.HistGradientBoostingRegressor"
    ridge = {"estimator": "sklearn.linear_model.Ridge", "encoding": "one_hot"}
    flights |= {
        "title": "How many minutes late will this flight arrive?",
        "label": {"function": "delays", "column": "delay", "kind": "regression"},
        "features": flights["features"] | INPUTS,
        "candidates": {"ridge": ridge, "boosting": {"estimator": ensemble, "params": params}},
        "split": {"validation": "4d", "holdout": "6d", "min_rows": 1000},
        "evaluation": {"cost": {"over": 1, "under": 1.5}, "slices": ["origin"]},
        "gate": {"resamples": 1000, "min_rows": 500},
        "monitor": {
            "performance": [{"metric": "mae", "window": "7d", "worse_by": 0.1},
                            {"metric": "calibration_gap", "window": "7d", "worse_by": 0.3}],
        },
    }  # fmt: skip
    return UseCase.model_validate(flights | changes)
