"""Trial of a candidate on made-up rows: whether its ONNX file will predict as the estimator does.

Training refuses an export that differs. The trial finds it out in seconds, before any training.
"""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
from numpy.typing import NDArray

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from tasks.evaluation.problem_types import problem_type_of
from tasks.models.matrix import InputSchema, Matrix
from tasks.models.onnx_session import open_onnx_session, run_onnx
from tasks.training.fit import LabelArray, predict_with_estimator
from tasks.training.learners.estimators import build_estimator
from tasks.training.learners.onnx_conversion import convert_to_onnx

_ROWS = 1200  # fitted and predicted
_CODES = 4  # values of each category; two more codes are unknown and missing
_MISSING = 0.05  # share of the numbers


def try_candidate(use_case: UseCase, name: str) -> float:
    """Fit and export a candidate on made-up rows, and return how far the predictions differ.

    The rows have the inputs of the use case, with missing numbers, heavy tails, ties, denormals and
    neighbours in float32.

    Args:
        use_case: the use case.
        name: the candidate.

    Raises:
        BadConfig: the candidate cannot be built, fitted or exported, or its file differs.
    """
    candidate, problem_type = use_case.candidates[name], problem_type_of(use_case)
    schema = _make_schema(use_case)
    estimator = build_estimator(name, candidate, schema, use_case.seed, problem_type)
    draw = np.random.default_rng(use_case.seed)
    raw = candidate.encoding == "ordinal" and not candidate.numeric
    rows, labels = _draw_rows(schema, draw, raw), _draw_labels(use_case, draw)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of made-up rows, such as a limit of iterations
            estimator.fit(rows, labels)
            theirs = predict_with_estimator(estimator, rows)
            ours = run_onnx(open_onnx_session(convert_to_onnx(estimator, rows.shape[1])), rows)
    except Exception as failed:  # an estimator or a converter may raise anything
        raise BadConfig(_explain(name, candidate.estimator, str(failed).strip(), raw)) from failed
    difference = problem_type.max_difference(ours, theirs)
    if not difference <= use_case.gate.parity:  # a NaN is no parity either
        reason = (
            f"its ONNX file differs by up to {difference:.2g}; `gate.parity` allows "
            f"{use_case.gate.parity:.2g}"
        )
        raise BadConfig(_explain(name, candidate.estimator, reason, raw))
    return difference


def _explain(name: str, estimator: str, reason: str, raw: bool) -> str:
    first = reason.partition("\n")[0][:300].rstrip(".")
    fill = ", or fill missing numbers: `encoding: one_hot` or "
    fill += "`numeric: [sklearn.impute.SimpleImputer]`"
    return (
        f"candidates.{name}: {estimator} failed its trial on made-up rows with missing numbers: "
        f"{first}. Name another estimator{fill if raw else ''}"
    )


def _make_schema(use_case: UseCase) -> InputSchema:
    features = use_case.features
    values = tuple(f"value {number}" for number in range(_CODES))
    return InputSchema(
        numeric=features.numeric,
        categorical=features.categorical,
        vocabulary=dict.fromkeys(features.categorical, values),
    )


def _draw_rows(schema: InputSchema, draw: np.random.Generator, raw: bool) -> Matrix:
    """Return a matrix whose numeric columns differ in kind, one after the other.

    Scaling may round two neighbours to one number, so `raw` numbers alone have them.
    """
    makers = [_draw_heavy_tails, _draw_ties, _draw_near_zero, *([_draw_neighbours] * raw)]
    numbers = [makers[place % len(makers)](draw) for place, _ in enumerate(schema.numeric)]
    codes = [draw.integers(0, _CODES + 2, _ROWS) for _ in schema.categorical]
    for column in numbers:
        column[draw.random(_ROWS) < _MISSING] = np.nan
    return np.column_stack([*numbers, *codes]).astype(np.float32)


def _draw_heavy_tails(draw: np.random.Generator) -> NDArray[np.float32]:
    return (draw.normal(size=_ROWS) * np.exp(draw.normal(size=_ROWS))).astype(np.float32)


def _draw_neighbours(draw: np.random.Generator) -> NDArray[np.float32]:
    """Return pairs of neighbours in float32, between which a rounded threshold may fall wrong."""
    lower = draw.uniform(1, 100, 50).astype(np.float32)
    return draw.choice(np.concatenate([lower, np.nextafter(lower, np.float32(np.inf))]), _ROWS)


def _draw_ties(draw: np.random.Generator) -> NDArray[np.float32]:
    return draw.integers(-3, 4, _ROWS).astype(np.float32)


def _draw_near_zero(draw: np.random.Generator) -> NDArray[np.float32]:
    """Return zeros of both signs and the smallest numbers, beside ordinary ones."""
    values = np.array([0.0, -0.0, 1e-45, -1e-45, 1e-38, 1e-35, 1, -1], dtype=np.float32)
    return draw.choice(values, _ROWS)


def _draw_labels(use_case: UseCase, draw: np.random.Generator) -> LabelArray:
    """Return labels of the use case's kind, without a relation to the rows; numbers above 0."""
    kind = problem_type_of(use_case)
    if use_case.label.kind == "regression":
        return np.exp(draw.normal(size=_ROWS))
    values = np.arange(_ROWS) % max(2, len(use_case.label.classes))
    labels = pl.Series(draw.permutation(values)).cast(kind.label_type)
    return labels.to_numpy()
