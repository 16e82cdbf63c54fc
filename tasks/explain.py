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
from tasks.features import Source
from tasks.keys import find, of_key
from tasks.kinds import KINDS, Kind, kind_of
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
    """What one version said: the event's probability and whether it flags the row, or a value that
    is its decision. `recorded`: when the row was scored; else it was asked just now.
    """

    version: int
    algorithm: str
    arm: str
    value: float
    threshold: float | None
    decision: bool | float
    recorded: bool


@dataclass(frozen=True)
class Explanation:
    """A prediction explained. Contributions, largest first, add up to value - `base`, the mean
    value of the version's golden rows; `label` is None while it is not known.
    """

    use_case: str
    kind: part.Kind
    key: dict[str, Any]
    predicted: datetime
    scored: datetime
    answer: Answer
    others: tuple[Answer, ...]
    label: float | None
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
    now = float(predict(model, row)[0])
    added = contributions(model, row, ORDERS, use_case.seed)[0]
    known_label, labelled = _label(use_case, found, as_of)
    return Explanation(
        use_case=use_case.name,
        kind=use_case.label.kind,
        key={name: found[name] for name in use_case.spine.key},
        predicted=time,
        scored=found["scored_as_of"],
        answer=_recorded(use_case, found),
        others=_others(use_case, found),
        label=known_label,
        labelled=labelled,
        base=now - float(added.sum()),
        inputs=_inputs(use_case, model, row, list(added)),
        notes=_notes(kind_of(use_case), found, now),
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
    value = float(predict(model, _row(use_case, model, found))[0])
    return (_answer(model, PREVIOUS, value, recorded=False),)


def champion_before(entries: Sequence[Entry], version: int) -> int | None:
    """Who was champion when a version became it first; None if nobody was, or it never did."""
    crowned = (e for e in entries if e.what == "promoted" and e.version == version)
    promotion = next(crowned, None)
    before = champion(entries[: entries.index(promotion)]) if promotion else None
    return before.version if before else None


def _recorded(use_case: UseCase, row: Mapping[str, Any]) -> Answer:
    model = open_model(use_case.name, row["model_version"])
    return _answer(model, row["arm"], row[kind_of(use_case).column], recorded=True)


def _answer(model: Model, arm: str, value: float, *, recorded: bool) -> Answer:
    card = model.card
    decision = KINDS[card.kind].decide(np.array([value]), card.threshold)[0].item()
    return Answer(model.version, card.algorithm, arm, value, card.threshold, decision, recorded)


def _label(
    use_case: UseCase, found: Mapping[str, Any], as_of: datetime
) -> tuple[float | None, datetime | None]:
    """The label and when it was known."""
    time, label = found[use_case.spine.time], use_case.label
    known = features.labels(use_case, time, time + _INSTANT, as_of).lazy()
    rows = of_key(known, {name: found[name] for name in use_case.spine.key}).collect()
    if rows.is_empty():
        return None, None
    return rows[label.column][0], rows[label.known_time][0]


def _notes(kind: Kind, found: Mapping[str, Any], now: float) -> tuple[str, ...]:
    stored = found[kind.column]
    if kind.apart(np.array([now]), np.array([stored])) <= _SAME:
        return ()
    return (
        f"scored as {stored:.6f}, it is {now:.6f} now: rows landed since that were known before; "
        "what is explained is the answer of now",
    )
