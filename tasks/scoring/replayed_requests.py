"""Logged requests predicted again by another version, and compared with what callers got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from configs.errors import BadConfig, NoRows
from configs.schema.use_case import UseCase
from tasks.evaluation.metrics import Floats
from tasks.evaluation.prediction_columns import to_prediction_array
from tasks.evaluation.problem_types import recorded_problem_type
from tasks.models.registry import Model, open_model, predict, require_same_label
from tasks.scoring.logged_inputs import decode_inputs, list_readable_inputs
from tasks.scoring.logged_predictions import decode_decision, decode_value
from tasks.storage.chunks import TimeSpan
from tasks.storage.logged_requests import scan_requests

_EXAMPLES = 5


@dataclass(frozen=True)
class ReplayedRequests:
    """Both predictions of logged rows.

    Attributes:
        version: the version that predicted them again.
        rows: number of rows.
        changed: rows whose decision differs.
        mean_difference: mean absolute difference of the values.
        largest_difference: the largest one.
        versions: rows by the version that predicted them first.
        examples: the rows that differ most: key, both values and both decisions.
    """

    version: int
    rows: int
    changed: int
    mean_difference: float
    largest_difference: float
    versions: Mapping[int, int]
    examples: tuple[Mapping[str, Any], ...]


def replay_requests(use_case: UseCase, version: int, span: TimeSpan) -> ReplayedRequests:
    """Predict the logged requests of a span again, by their logged inputs.

    Args:
        use_case: the use case.
        version: the version that predicts.
        span: moments [start, end) of the requests.

    Raises:
        NoRows: no request of the span is in the lake.
        BadConfig: the version has an input that the log does not have.
    """
    requests, moment = scan_requests(use_case), pl.col("moment")
    if requests is None:
        raise NoRows(f"{use_case.name}: no request was logged. Set serving.log, and ingest")
    rows = requests.filter(moment >= span[0], moment < span[1], pl.col("value") != "null").collect()
    if rows.is_empty():
        raise NoRows(f"{use_case.name}: no request was logged in [{span[0]}, {span[1]})")
    model = open_model(use_case.name, version)
    require_same_label(use_case, model)
    _require_inputs(use_case, model, rows)
    return _compare(use_case, model, rows)


def _require_inputs(use_case: UseCase, model: Model, rows: pl.DataFrame) -> None:
    readable = list_readable_inputs(use_case, rows["inputs"][0])
    missing = [name for name in model.card.inputs.inputs if name not in readable]
    if missing:
        raise BadConfig(
            f"version {model.version} of {use_case.name} reads {', '.join(missing)}, which the "
            "logged requests do not have. Log them, or choose another version"
        )


def _compare(use_case: UseCase, model: Model, rows: pl.DataFrame) -> ReplayedRequests:
    kind = recorded_problem_type(model.card)
    values = predict(model, rows.select(*decode_inputs(model.card.inputs)))
    decisions = kind.to_decision_column(kind.decide(values, model.card.threshold))
    before = rows.select(
        decode_value(use_case, pl.col("value")).alias("value"),
        decode_decision(use_case, pl.col("decision")).alias("decision"),
    )
    apart = np.abs(to_prediction_array(before["value"]) - values)
    difference: Floats = apart.max(axis=1) if apart.ndim > 1 else apart
    others = pl.Series(decisions).ne_missing(before["decision"])
    compared = rows.select("keys", "model_version").with_columns(
        before["value"].alias("before"),
        pl.Series("after", values.tolist()),
        before["decision"].alias("decision_before"),
        pl.Series(decisions).alias("decision_after"),
        pl.Series("difference", difference),
    )
    counts = rows["model_version"].value_counts().sort("model_version")
    return ReplayedRequests(
        version=model.version,
        rows=rows.height,
        changed=int(others.sum()),
        mean_difference=float(difference.mean()),
        largest_difference=float(difference.max()),
        versions=dict(counts.iter_rows()),
        examples=tuple(compared.sort("difference", descending=True).head(_EXAMPLES).to_dicts()),
    )
