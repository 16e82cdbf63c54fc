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

from configs import part
from configs.errors import NoRows
from configs.use_case import UseCase
from tasks import features
from tasks.assignment import PREVIOUS
from tasks.contributions import contributions
from tasks.evaluation import Floats
from tasks.features import Source
from tasks.keys import find, of_key
from tasks.kinds import Threshold, kind_in, kind_of
from tasks.lake import lake_of
from tasks.ledger import Entry, champion, ledger
from tasks.predictions import SHADOWS
from tasks.registry import Model, as_served, open_model, predict

ORDERS = 1024  # of the inputs: a tenth of a second for one row
_REQUEST = "request"
_INSTANT = timedelta(microseconds=1)
_SAME = 1e-6


@dataclass(frozen=True)
class Input:
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
class Answer:
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
    kind: part.Kind
    classes: tuple[str, ...]
    key: dict[str, Any]
    predicted: datetime
    scored: datetime
    answer: Answer
    others: tuple[Answer, ...]
    label: float | str | None
    labelled: datetime | None
    base: float
    inputs: tuple[Input, ...]
    notes: tuple[str, ...]


def explain(use_case: UseCase, written: str, as_of: datetime) -> Explanation:
    """Explain the prediction of a key as `read_key` takes it, with labels known by `as_of`.

    Terminal if that is no key; NoRows if nothing was predicted for it, or if the raw rows that it
    was made of are gone.
    """
    found = find(use_case, written)
    time, version = found[use_case.spine.time], found["model_version"]
    model = open_model(use_case.name, version)
    row = _row(use_case, model, found)
    now = predict(model, row)
    added = contributions(model, row, ORDERS, use_case.seed)[0]
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
    asked = features.spine(use_case, time, time + _INSTANT, scored).lazy()
    row = of_key(asked, {name: found[name] for name in use_case.spine.key}).collect()
    if row.height != 1:
        raise NoRows(
            f"{use_case.name}: the spine has {row.height} rows now for what was predicted at "
            f"{time}: the raw tables are not what they were, so it cannot be explained"
        )
    return features.historical(as_served(use_case, model), row)


def _inputs(
    use_case: UseCase, model: Model, row: pl.DataFrame, added: Sequence[float]
) -> tuple[Input, ...]:
    """Every input of the model, the largest contribution first."""
    asked = Source(_REQUEST, row[use_case.spine.time][0], row[use_case.spine.time][0])
    sources = features.sources(as_served(use_case, model), row)
    found = []
    for name, value in zip(model.card.inputs.inputs, added, strict=True):
        of = sources.get(name, asked)
        found.append(Input(name, row[name][0], of.view, of.happened, of.known, float(value)))
    return tuple(sorted(found, key=lambda each: -abs(each.contribution)))


def _others(use_case: UseCase, found: Mapping[str, Any]) -> tuple[Answer, ...]:
    """What the other versions of the cast said; if none did, what the champion before says now."""
    lake = lake_of(use_case.name)
    key = {name: found[name] for name in (*use_case.spine.key, use_case.spine.time)}
    if lake.exists(SHADOWS):
        rows = of_key(lake.scan(SHADOWS), key).collect()
        if rows.height:
            return tuple(_recorded(use_case, row) for row in rows.iter_rows(named=True))
    before = champion_before(ledger().entries(use_case.name), found["model_version"])
    if before is None:
        return ()
    model = open_model(use_case.name, before)
    value = predict(model, _row(use_case, model, found))
    return (_answer(model, PREVIOUS, value, recorded=False),)


def champion_before(entries: Sequence[Entry], version: int) -> int | None:
    """Who was champion when a version became it first; None if nobody was, or it never did."""
    crowned = (e for e in entries if e.what == "promoted" and e.version == version)
    promotion = next(crowned, None)
    before = champion(entries[: entries.index(promotion)]) if promotion else None
    return before.version if before else None


def _recorded(use_case: UseCase, row: Mapping[str, Any]) -> Answer:
    model = open_model(use_case.name, row["model_version"])
    value = np.array([row[kind_of(use_case).column]])
    return _answer(model, row["arm"], value, recorded=True)


def _answer(model: Model, arm: str, value: Floats, *, recorded: bool) -> Answer:
    card, kind = model.card, kind_in(model.card)
    return Answer(
        version=model.version,
        algorithm=card.algorithm,
        arm=arm,
        value=_stated(model, value),
        values=tuple(value.ravel().tolist()),
        threshold=card.threshold,
        decision=kind.in_table(kind.decide(value, card.threshold))[0],
        recorded=recorded,
    )


def _stated(model: Model, value: Floats) -> float:
    """The number of one answer that its contributions add up to."""
    kind = kind_in(model.card)
    return float(kind.stated(value, kind.decide(value, model.card.threshold))[0])


def _label(
    use_case: UseCase, found: Mapping[str, Any], as_of: datetime
) -> tuple[float | str | None, datetime | None]:
    """The label and when it was known."""
    time, label = found[use_case.spine.time], use_case.label
    known = features.labels(use_case, time, time + _INSTANT, as_of).lazy()
    rows = of_key(known, {name: found[name] for name in use_case.spine.key}).collect()
    if rows.is_empty():
        return None, None
    return kind_of(use_case).meant(rows[label.column][0]), rows[label.known_time][0]


def _notes(model: Model, found: Mapping[str, Any], now: Floats) -> tuple[str, ...]:
    kind = kind_in(model.card)
    stored = np.array([found[kind.column]])
    if kind.apart(now, stored) <= _SAME:
        return ()
    then, today = (", ".join(f"{p:.6f}" for p in said.ravel()) for said in (stored, now))
    return (
        f"scored as {then}, it is {today} now: rows landed since that were known before; "
        "what is explained is the answer of now",
    )
