"""Why one prediction came out as it did: the model, what it knew and since when, what weighed how
much, and what another model said of the same row.

The row is read again as it was read when it was scored: the spine known at `scored_as_of`, and the
features known at the prediction time, by the same join.
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
from tasks.rollout.assignment import PREVIOUS
from tasks.rollout.prediction_log import SHADOWS
from tasks.scoring.contributions import explain_rows
from tasks.scoring.prediction_keys import find_prediction, matches_key
from tasks.storage.lake import open_lake

EXPLAIN_ORDERS = 1024  # of the inputs: a tenth of a second for one row
_REQUEST = "request"
_INSTANT = timedelta(microseconds=1)
_SAME = 1e-6


@dataclass(frozen=True)
class ExplainedInput:
    """One input: its value, where it comes from (a view, or the request itself), when that
    happened and was known, and what it adds to the answer.
    """

    name: str
    value: Any
    source: str
    happened: datetime | None
    known: datetime | None
    contribution: float


@dataclass(frozen=True)
class ExplainedPrediction:
    """What one version said: the event's probability and whether it flags the row; a value that is
    its decision; or the class that it decides on and that one's probability, and in `values` those
    of all classes. `recorded`: when the row was scored; else it was asked just now.
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
    """A prediction explained. Contributions, largest first, add up to value - `base`, the mean
    value of the version's golden rows; `label` is None while it is not known.
    """

    use_case: str
    kind: base.LabelKind
    classes: tuple[str, ...]
    key: dict[str, Any]
    predicted: datetime
    scored: datetime
    answer: ExplainedPrediction
    others: tuple[ExplainedPrediction, ...]
    label: float | str | None
    labelled: datetime | None
    base: float
    inputs: tuple[ExplainedInput, ...]
    notes: tuple[str, ...]


def explain_prediction(use_case: UseCase, written: str, as_of: datetime) -> Explanation:
    """Explain the prediction of a key as `read_key` takes it, with labels known by `as_of`.

    Terminal if that is no key; NoRows if nothing was predicted for it, or if the raw rows that it
    was made of are gone.
    """
    found = find_prediction(use_case, written)
    time, version = found[use_case.spine.time], found["model_version"]
    model = open_model(use_case.name, version)
    row = _row(use_case, model, found)
    now = predict(model, row)
    added = explain_rows(model, row, EXPLAIN_ORDERS, use_case.seed)[0]
    known_label, labelled = _label(use_case, found, as_of)
    return Explanation(
        use_case=use_case.name,
        kind=use_case.label.kind,
        classes=use_case.label.classes,
        key={name: found[name] for name in use_case.spine.key},
        predicted=time,
        scored=found["scored_as_of"],
        answer=_recorded(use_case, found),
        others=_others(use_case, found),
        label=known_label,
        labelled=labelled,
        base=_stated(model, now) - float(added.sum()),
        inputs=_inputs(use_case, model, row, list(added)),
        notes=_notes(model, found, now),
    )


def _row(use_case: UseCase, model: Model, found: Mapping[str, Any]) -> pl.DataFrame:
    """The row of the spine with the features of the model's own service."""
    time, scored = found[use_case.spine.time], found["scored_as_of"]
    asked = retrieval.build_spine(use_case, time, time + _INSTANT, scored).lazy()
    row = matches_key(asked, {name: found[name] for name in use_case.spine.key}).collect()
    if row.height != 1:
        raise NoRows(
            f"{use_case.name}: the spine has {row.height} rows now for what was predicted at "
            f"{time}: the raw tables are not what they were, so it cannot be explained"
        )
    return retrieval.join_features(with_model_features(use_case, model), row)


def _inputs(
    use_case: UseCase, model: Model, row: pl.DataFrame, added: Sequence[float]
) -> tuple[ExplainedInput, ...]:
    """Every input of the model, the largest contribution first."""
    asked = FeatureSource(_REQUEST, row[use_case.spine.time][0], row[use_case.spine.time][0])
    sources = retrieval.trace_features(with_model_features(use_case, model), row)
    found = []
    for name, value in zip(model.card.inputs.inputs, added, strict=True):
        of = sources.get(name, asked)
        found.append(
            ExplainedInput(name, row[name][0], of.view, of.happened, of.known, float(value))
        )
    return tuple(sorted(found, key=lambda each: -abs(each.contribution)))


def _others(use_case: UseCase, found: Mapping[str, Any]) -> tuple[ExplainedPrediction, ...]:
    """What the other versions of the cast said; if none did, what the champion before says now."""
    lake = open_lake(use_case.name)
    key = {name: found[name] for name in (*use_case.spine.key, use_case.spine.time)}
    if lake.exists(SHADOWS):
        rows = matches_key(lake.scan(SHADOWS), key).collect()
        if rows.height:
            return tuple(_recorded(use_case, row) for row in rows.iter_rows(named=True))
    before = champion_before(open_ledger().entries(use_case.name), found["model_version"])
    if before is None:
        return ()
    model = open_model(use_case.name, before)
    value = predict(model, _row(use_case, model, found))
    return (_answer(model, PREVIOUS, value, recorded=False),)


def champion_before(entries: Sequence[Entry], version: int) -> int | None:
    """Who was champion when a version became it first; None if nobody was, or it never did."""
    crowned = (e for e in entries if e.what == "promoted" and e.version == version)
    promotion = next(crowned, None)
    before = find_champion(entries[: entries.index(promotion)]) if promotion else None
    return before.version if before else None


def _recorded(use_case: UseCase, row: Mapping[str, Any]) -> ExplainedPrediction:
    model = open_model(use_case.name, row["model_version"])
    value = np.array([row[problem_type_of(use_case).value_column]])
    return _answer(model, row["arm"], value, recorded=True)


def _answer(model: Model, arm: str, value: Floats, *, recorded: bool) -> ExplainedPrediction:
    card, kind = model.card, recorded_problem_type(model.card)
    return ExplainedPrediction(
        version=model.version,
        algorithm=card.algorithm,
        arm=arm,
        value=_stated(model, value),
        values=tuple(value.ravel().tolist()),
        threshold=card.threshold,
        decision=kind.to_decision_column(kind.decide(value, card.threshold))[0],
        recorded=recorded,
    )


def _stated(model: Model, value: Floats) -> float:
    """The number of one answer that its contributions add up to."""
    kind = recorded_problem_type(model.card)
    return float(kind.predicted_outcome(value, kind.decide(value, model.card.threshold))[0])


def _label(
    use_case: UseCase, found: Mapping[str, Any], as_of: datetime
) -> tuple[float | str | None, datetime | None]:
    """The label and when it was known."""
    time, label = found[use_case.spine.time], use_case.label
    known = retrieval.build_labels(use_case, time, time + _INSTANT, as_of).lazy()
    rows = matches_key(known, {name: found[name] for name in use_case.spine.key}).collect()
    if rows.is_empty():
        return None, None
    return problem_type_of(use_case).decode_label(rows[label.column][0]), rows[label.known_time][0]


def _notes(model: Model, found: Mapping[str, Any], now: Floats) -> tuple[str, ...]:
    kind = recorded_problem_type(model.card)
    stored = np.array([found[kind.value_column]])
    if kind.max_difference(now, stored) <= _SAME:
        return ()
    then, today = (", ".join(f"{p:.6f}" for p in said.ravel()) for said in (stored, now))
    return (
        f"scored as {then}, it is {today} now: rows landed since that were known before; "
        "what is explained is the answer of now",
    )
