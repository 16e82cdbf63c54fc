"""Explanation of one prediction: model, inputs with their times, contributions, other versions.

The row is read as it was read for scoring: the spine known at `scored_as_of`, and the features
known at the prediction time, by the same join.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from configs.errors import NoRows
from configs.schema import base
from configs.schema.use_case import UseCase
from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import Threshold, problem_type_of, recorded_problem_type
from tasks.features import retrieval
from tasks.features.retrieval import FeatureSource
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import find_champion
from tasks.models.registry import Model, open_model, predict, with_model_features
from tasks.models.row_contributions import explain_rows
from tasks.rollout.assignment import PREVIOUS
from tasks.rollout.prediction_log import SHADOWS
from tasks.scoring.logged_inputs import read_logged_inputs
from tasks.scoring.prediction_keys import filter_by_key, find_prediction
from tasks.storage.lake import open_lake

_ORDERS = 1024  # of the inputs: a tenth of a second for one row
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class ExplainedInput:
    """One input: its value, its source (a view, or "request"), and its contribution.

    `event_time` and `known_time` are those of the source's row; None if there was none.
    """

    name: str
    value: Any
    source: str
    event_time: datetime | None
    known_time: datetime | None
    contribution: float


@dataclass(frozen=True)
class ExplainedPrediction:
    """The prediction of one version.

    `value` is the probability of the event or of the decided class, or the predicted number;
    `values` has the probabilities of all classes. `recorded`: from the prediction tables; else it
    is computed now.
    """

    version: int
    algorithm: str
    arm: str
    value: float
    values: tuple[float, ...]
    threshold: Threshold
    decision: bool | float | str
    recorded: bool


@dataclass(frozen=True)
class Explanation:
    """A prediction with its inputs. Contributions, largest first, add up to value - `base`.

    `base` is the mean value of the version's golden rows; `label` is None while it is not known.
    """

    use_case: str
    kind: base.LabelKind
    classes: tuple[str, ...]
    key: dict[str, Any]
    predicted: datetime
    scored: datetime
    prediction: ExplainedPrediction
    others: tuple[ExplainedPrediction, ...]
    label: float | str | None
    labelled: datetime | None
    base: float
    inputs: tuple[ExplainedInput, ...]
    notes: tuple[str, ...]


def explain_prediction(use_case: UseCase, key_text: str, as_of: datetime) -> Explanation:
    """Explain the prediction of a key, with labels known by `as_of`.

    Raises Terminal if the key is invalid, NoRows if it has no prediction or its raw rows are gone.

    Args:
        key_text: a key as `parse_key` takes it.
    """
    recorded = find_prediction(use_case, key_text)
    time, version = recorded[use_case.spine.time], recorded["model_version"]
    model = open_model(use_case.name, version)
    row = _read_row(use_case, model, recorded)
    value = predict(model, row)
    contributions = explain_rows(model, row, _ORDERS, use_case.seed)[0]
    label, labelled = _find_label(use_case, recorded, as_of)
    return Explanation(
        use_case=use_case.name,
        kind=use_case.label.kind,
        classes=use_case.label.classes,
        key={name: recorded[name] for name in use_case.spine.key},
        predicted=time,
        scored=recorded["scored_as_of"],
        prediction=_explain_recorded(use_case, recorded),
        others=_explain_others(use_case, recorded),
        label=label,
        labelled=labelled,
        base=_outcome_of(model, value) - float(contributions.sum()),
        inputs=_explain_inputs(use_case, model, row, list(contributions), recorded),
        notes=_describe_changes(model, recorded, value),
    )


def _read_row(use_case: UseCase, model: Model, recorded: Mapping[str, Any]) -> pl.DataFrame:
    """Return the inputs as a request had them, or the row of the spine with its features."""
    logged = read_logged_inputs(use_case, model.card.inputs, recorded)
    if logged is not None:
        return logged
    time, scored = recorded[use_case.spine.time], recorded["scored_as_of"]
    spine = retrieval.build_spine(use_case, time, time + _INSTANT, scored).lazy()
    row = filter_by_key(spine, {name: recorded[name] for name in use_case.spine.key}).collect()
    if row.height != 1:
        raise NoRows(
            f"{use_case.name}: the spine has {row.height} rows for the prediction at {time}, "
            "instead of 1. The raw rows have changed since scoring, so it cannot be explained"
        )
    return retrieval.join_features(with_model_features(use_case, model), row)


def _explain_inputs(
    use_case: UseCase,
    model: Model,
    row: pl.DataFrame,
    contributions: Sequence[float],
    recorded: Mapping[str, Any],
) -> tuple[ExplainedInput, ...]:
    """Return every input of the model, the largest contribution first.

    Inputs from the request log have the source "request", also those that were read online.
    """
    time = row[use_case.spine.time][0]
    request = FeatureSource("request", time, time)
    is_logged = read_logged_inputs(use_case, model.card.inputs, recorded) is not None
    traced = with_model_features(use_case, model)
    sources = {} if is_logged else retrieval.trace_features(traced, row)
    inputs = []
    for name, contribution in zip(model.card.inputs.inputs, contributions, strict=True):
        source = sources.get(name, request)
        times = (source.event_time, source.known_time)
        inputs.append(ExplainedInput(name, row[name][0], source.view, *times, float(contribution)))
    return tuple(sorted(inputs, key=lambda each: -abs(each.contribution)))


def _explain_others(
    use_case: UseCase, recorded: Mapping[str, Any]
) -> tuple[ExplainedPrediction, ...]:
    """Return the shadows of the row; without any, what the previous champion predicts now."""
    lake = open_lake(use_case.name)
    key = {name: recorded[name] for name in (*use_case.spine.key, use_case.spine.time)}
    if lake.exists(SHADOWS):
        rows = filter_by_key(lake.scan(SHADOWS), key).collect()
        if rows.height:
            return tuple(_explain_recorded(use_case, row) for row in rows.iter_rows(named=True))
    entries = open_ledger().entries(use_case.name)
    previous = find_previous_champion(entries, recorded["model_version"])
    if previous is None:
        return ()
    model = open_model(use_case.name, previous)
    value = predict(model, _read_row(use_case, model, recorded))
    return (_explain_value(model, PREVIOUS, value, recorded=False),)


def find_previous_champion(entries: Sequence[Entry], version: int) -> int | None:
    """Return the champion before the first promotion of a version; None if there was none."""
    promotions = (e for e in entries if e.what == "promoted" and e.version == version)
    promotion = next(promotions, None)
    before = find_champion(entries[: entries.index(promotion)]) if promotion else None
    return before.version if before else None


def _explain_recorded(use_case: UseCase, row: Mapping[str, Any]) -> ExplainedPrediction:
    model = open_model(use_case.name, row["model_version"])
    value = np.array([row[problem_type_of(use_case).value_column]])
    return _explain_value(model, row["arm"], value, recorded=True)


def _explain_value(model: Model, arm: str, value: Floats, *, recorded: bool) -> ExplainedPrediction:
    card, problem_type = model.card, recorded_problem_type(model.card)
    return ExplainedPrediction(
        version=model.version,
        algorithm=card.algorithm,
        arm=arm,
        value=_outcome_of(model, value),
        values=tuple(value.ravel().tolist()),
        threshold=card.threshold,
        decision=problem_type.to_decision_column(problem_type.decide(value, card.threshold))[0],
        recorded=recorded,
    )


def _outcome_of(model: Model, value: Floats) -> float:
    """Return the number of one prediction that its contributions add up to."""
    problem_type = recorded_problem_type(model.card)
    decision = problem_type.decide(value, model.card.threshold)
    return float(problem_type.predicted_outcome(value, decision)[0])


def _find_label(
    use_case: UseCase, recorded: Mapping[str, Any], as_of: datetime
) -> tuple[float | str | None, datetime | None]:
    """Return the label and the time it was known; None if it is not known yet."""
    time, label = recorded[use_case.spine.time], use_case.label
    known = retrieval.build_labels(use_case, time, time + _INSTANT, as_of).lazy()
    rows = filter_by_key(known, {name: recorded[name] for name in use_case.spine.key}).collect()
    if rows.is_empty():
        return None, None
    return problem_type_of(use_case).decode_label(rows[label.column][0]), rows[label.known_time][0]


def _describe_changes(model: Model, recorded: Mapping[str, Any], value: Floats) -> tuple[str, ...]:
    """Return a note if the model predicts another value now than was recorded."""
    problem_type = recorded_problem_type(model.card)
    stored = np.array([recorded[problem_type.value_column]])
    if problem_type.max_difference(value, stored) <= 1e-6:
        return ()
    then, now = (", ".join(f"{p:.6f}" for p in array.ravel()) for array in (stored, value))
    return (
        f"the recorded prediction is {then}, the current one {now}: rows landed late, after "
        "scoring; the current prediction is explained",
    )
