"""Inputs that give the label away: one input, a pair or a sum that explains nearly all of it.

Such inputs are most often the label under another name, parts of it, or a field that is filled
after the outcome. Half of the rows fit, and the other half measure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from configs.schema.base import LabelKind
from configs.schema.use_case import UseCase
from tasks.evaluation.metrics import Floats

MIN_GIVEAWAY_ROWS = 60
_MOST_ROWS = 20_000
_ALONE: dict[LabelKind, float] = {"regression": 0.98, "binary": 0.95, "multiclass": 0.95}
_PAIR, _SUM = 0.999, 0.9999  # of a number; below the first two of smooth series may be honest
_LONGEST_SUM = 4


@dataclass(frozen=True)
class Giveaway:
    """Inputs that together explain a share of the label's variance, 0 to 1."""

    inputs: tuple[str, ...]
    explained: float

    def describe(self) -> str:
        """Return the finding in words."""
        verb = "explains" if len(self.inputs) == 1 else "explain"
        return f"{' and '.join(self.inputs)} alone {verb} {self.explained:.4%} of the label"


def list_suspects(use_case: UseCase, rows: pl.DataFrame) -> list[str]:
    """Return the inputs among the columns of the rows, without the honest forecasts.

    Those are named in gate.opponents.
    """
    inputs, honest = use_case.features.inputs, use_case.gate.opponents
    return [name for name in inputs if name in rows.columns and name not in honest]


def find_giveaways(
    rows: pl.DataFrame, inputs: Sequence[str], label: str, kind: LabelKind
) -> list[Giveaway]:
    """Return the single inputs that give the label away, else the pair or sum that does.

    Args:
        rows: labelled rows
        inputs: columns to look at
        label: column of the label: a number, or the code of a class
        kind: problem type
    """
    labelled = rows.filter(pl.col(label).is_not_null())
    labelled = labelled.gather_every(max(1, -(-labelled.height // _MOST_ROWS)))
    if labelled.height < MIN_GIVEAWAY_ROWS or labelled[label].n_unique() < 2:
        return []
    target = _to_target(labelled[label], kind)
    # by a fixed draw: every other row would follow a rhythm of the data
    fitted = np.random.default_rng(0).permutation(labelled.height) % 2 == 0
    alone = [
        Giveaway((name,), explained)
        for name in inputs
        if (explained := _explain_alone(labelled[name], target, fitted)) >= _ALONE[kind]
    ]
    if alone or kind != "regression":
        return sorted(alone, key=lambda each: -each.explained)
    numeric = [name for name in inputs if labelled[name].dtype.is_numeric()]
    return list(_find_sums(labelled, numeric, target[:, 0], fitted))


def _to_target(label: pl.Series, kind: LabelKind) -> Floats:
    """Return the label as columns of numbers, (rows, 1) or (rows, classes)."""
    values = label.cast(pl.Float64).to_numpy()
    if kind != "multiclass":
        return values[:, None]
    columns: Floats = (values[:, None] == np.unique(values)).astype(np.float64)
    return columns


def _explain_alone(column: pl.Series, target: Floats, fitted: NDArray[np.bool_]) -> float:
    """Return the share of the target that a tree of one input explains on the other half."""
    from sklearn.tree import DecisionTreeRegressor

    values = _to_numbers(column, target, fitted)
    missing = ~np.isfinite(values)
    matrix = np.column_stack([np.where(missing, 0.0, values), missing])
    if np.ptp(matrix, axis=0).max() == 0:
        return 0.0
    tree = DecisionTreeRegressor(min_samples_leaf=3, random_state=0)
    tree.fit(matrix[fitted], target[fitted])
    predicted = np.reshape(tree.predict(matrix[~fitted]), target[~fitted].shape)
    return _explained_share(target[~fitted], predicted)


def _to_numbers(column: pl.Series, target: Floats, fitted: NDArray[np.bool_]) -> Floats:
    """Return a column as numbers; a text becomes the mean target of its fitted rows."""
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    text = column.cast(pl.String).fill_null("")
    numbers = text.cast(pl.Float64, strict=False)
    if numbers.count() > len(text) / 2:  # numbers that landed as text
        return numbers.fill_null(np.nan).to_numpy()
    # with more than two classes, the number of the most frequent one
    weights = np.arange(1.0, target.shape[1] + 1)
    known = pl.DataFrame({"text": text, "mean": target @ weights}).filter(pl.Series(fitted))
    means = known.group_by("text").agg(pl.col("mean").mean())
    joined = pl.DataFrame({"text": text}).join(means, on="text", how="left", maintain_order="left")
    return joined["mean"].fill_null(np.nan).to_numpy()


def _find_sums(
    rows: pl.DataFrame, names: Sequence[str], target: Floats, fitted: NDArray[np.bool_]
) -> Iterator[Giveaway]:
    """Yield the pair, or else the longer sum of inputs, that the label is; none if there is none.

    A sum grows by the input that explains most of what is left.
    """
    columns = {
        name: _to_finite(rows[name].cast(pl.Float64).to_numpy().astype(np.float64))
        for name in names
    }

    def explain(chosen: Sequence[str]) -> float:
        matrix = np.column_stack([*(columns[name] for name in chosen), np.ones(len(target))])
        weights = np.linalg.lstsq(matrix[fitted], target[fitted], rcond=None)[0]
        return _explained_share(target[~fitted], matrix[~fitted] @ weights)

    candidates = sorted(names, key=lambda name: -explain([name]))
    best = max(combinations(candidates[:20], 2), key=explain, default=())
    if best and explain(best) >= _PAIR:
        yield Giveaway(tuple(best), explain(best))
        return
    chosen = list(best)
    while best and len(chosen) < min(_LONGEST_SUM, len(names)):
        rest = [name for name in names if name not in chosen]
        chosen.append(max(rest, key=lambda name: explain([*chosen, name])))
        if explain(chosen) >= _SUM:
            yield Giveaway(tuple(chosen), explain(chosen))
            return


def _to_finite(values: Floats) -> Floats:
    """Return the values with the mean where there is no finite one."""
    finite = np.isfinite(values)
    return np.where(finite, values, values[finite].mean() if finite.any() else 0.0)


def _explained_share(target: Floats, predicted: Floats) -> float:
    """Return 1 less the squared error as a share of the variance; 0 of an equal target."""
    whole = float(np.square(target - target.mean(axis=0)).sum())
    return 1 - float(np.square(target - predicted).sum()) / whole if whole > 0 else 0.0
