"""Rows that runtimes read differently, with what the version predicts for each."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tasks.models.artifact import read_golden_inputs
from tasks.models.registry import Model, predict

_NUMBERS = [None, 0, -0.0, 1e300, -1e300, 3.4e38, 3.5e38, 5e-324, 1e-40, 2**24 + 1, 2**53 + 1, True]
_TEXTS = [None, "", "unseen", "None", "nan", "ü" * 300, " UA", "ua", "\u2400\u2400", "😀"]


@dataclass(frozen=True)
class TargetRows:
    """Rows as JSON has them, and the version's predictions."""

    rows: list[dict[str, Any]]
    values: np.ndarray[Any, Any]
    decisions: list[Any]


def spoil_golden_rows(model: Model, count: int = 1000, seed: int = 7) -> TargetRows:
    """Return golden rows, each with up to five inputs that are nasty."""
    schema, draw = model.card.inputs, random.Random(seed)
    golden = read_golden_inputs(model.golden).select(schema.inputs).to_dicts()
    rows = []
    for place in range(count):
        row = dict(golden[place % len(golden)])
        for name in draw.sample(schema.inputs, draw.randint(0, 5)):
            row[name] = draw.choice(_NUMBERS if name in schema.numeric else _TEXTS)
        rows.append(
            {n: None if isinstance(v, float) and not np.isfinite(v) else v for n, v in row.items()}
        )
    numbers = {n: [None if r[n] is None else float(r[n]) for r in rows] for n in schema.numeric}
    texts = {n: [r[n] for r in rows] for n in schema.categorical}
    kinds = dict.fromkeys(numbers, pl.Float64) | dict.fromkeys(texts, pl.String)
    values = predict(model, pl.DataFrame(numbers | texts, kinds))
    return TargetRows(rows, values, (values >= model.card.threshold).tolist())
