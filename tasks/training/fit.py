"""Split by time, candidate fitting on float32 inputs, choice of the best candidate.

| train ............................ | validation ........ | holdout ......... | end
                                     choose candidate      measure only
                                     and threshold
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from configs.errors import NoRows
from configs.schema.data import Features
from configs.schema.training import Candidate, Split
from configs.schema.use_case import UseCase
from tasks.evaluation.metrics import is_better
from tasks.evaluation.problem_types import Threshold, problem_type_of
from tasks.models.matrix import InputSchema, Matrix, build_matrix, require_inputs
from tasks.models.onnx_session import select_outputs
from tasks.training.learners.estimators import build_estimator

MAX_VOCABULARY = 1000  # values of a categorical input with a code of their own
LabelArray = NDArray[np.int8] | NDArray[np.float64]


def learn_schema(features: Features, frame: pl.DataFrame) -> InputSchema:
    """Return the schema of the inputs; the values in `frame`, sorted, become the vocabulary.

    Of more than MAX_VOCABULARY values the most frequent ones do. The others share the code of
    unknown values: a one-hot matrix has a column for each code.
    """
    require_inputs(frame, features.numeric, features.categorical)
    text = frame.select(pl.col(features.categorical).cast(pl.String))
    vocabulary = {name: _choose_vocabulary(text[name]) for name in text.columns}
    return InputSchema(
        numeric=features.numeric, categorical=features.categorical, vocabulary=vocabulary
    )


def _choose_vocabulary(values: pl.Series) -> tuple[str, ...]:
    counts = values.drop_nulls().alias("value").value_counts()
    ordered = counts.sort(["count", "value"], descending=[True, False])
    return tuple(ordered["value"].head(MAX_VOCABULARY).sort())


def find_rare_values(schema: InputSchema, frame: pl.DataFrame) -> dict[str, int]:
    """Return how many values of each categorical input have no code of their own."""
    full = [name for name, known in schema.vocabulary.items() if len(known) == MAX_VOCABULARY]
    counts = {name: frame[name].drop_nulls().n_unique() - MAX_VOCABULARY for name in full}
    return {name: count for name, count in counts.items() if count > 0}


def find_empty_inputs(schema: InputSchema, frame: pl.DataFrame) -> tuple[str, ...]:
    """Return the numeric inputs without any number in `frame`."""
    matrix = build_matrix(frame, schema)
    return tuple(
        name for place, name in enumerate(schema.numeric) if np.isnan(matrix[:, place]).all()
    )


def fill_empty_columns(matrix: Matrix) -> Matrix:
    """Return the matrix with 0 in columns without a number, so that an estimator ignores them.

    Histogram boosting cannot bin a column without a number.
    """
    empty = np.isnan(matrix).all(axis=0)
    return np.where(empty, np.float32(0), matrix) if empty.any() else matrix


@dataclass(frozen=True)
class TrainingSplit:
    """The labelled rows of a training window in three spans of time, and their borders."""

    train: pl.DataFrame
    validation: pl.DataFrame
    holdout: pl.DataFrame
    validation_start: datetime
    holdout_start: datetime
    end: datetime

    @property
    def seen(self) -> pl.DataFrame:
        """The rows on which a model was fitted and selected: train and validation."""
        return pl.concat([self.train, self.validation])

    @property
    def judged(self) -> pl.DataFrame:
        """The rows on which a model was not fitted: validation and holdout."""
        return pl.concat([self.validation, self.holdout])


@dataclass(frozen=True)
class FittedCandidate:
    """A candidate after fitting: its estimator, and its metrics on the validation span.

    `seconds` is the time that fitting took.
    """

    name: str
    candidate: Candidate
    schema: InputSchema
    estimator: Any
    threshold: Threshold
    validation: dict[str, float]
    seconds: float

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return scikit-learn's own predictions, in the shape of `predict_with_estimator`."""
        return predict_with_estimator(self.estimator, matrix)


def split_by_time(frame: pl.DataFrame, time: str, split: Split, end: datetime) -> TrainingSplit:
    """Split the rows before `end` into train, validation and holdout, the latest rows last.

    Args:
        frame: rows with a column `time`.
        time: the column to split by.
        split: lengths of the holdout and of the validation span, or their shares of the rows.
        end: end of the holdout; later rows are dropped.
    """
    at = pl.col(time)
    times = frame.filter(at < end)[time].sort()
    holdout_start = _find_start(times, split.holdout, times, end)
    before = times.filter(times < holdout_start)
    validation_start = _find_start(before, split.validation, times, holdout_start)
    return TrainingSplit(
        train=frame.filter(at < validation_start),
        validation=frame.filter(at >= validation_start, at < holdout_start),
        holdout=frame.filter(at >= holdout_start, at < end),
        validation_start=validation_start,
        holdout_start=holdout_start,
        end=end,
    )


def _find_start(
    times: pl.Series, extent: timedelta | float, whole: pl.Series, end: datetime
) -> datetime:
    """Return the start of the last part of sorted times: a span, or a share of the whole.

    Rows of one time stay together. A share has one row or more.
    """
    if isinstance(extent, timedelta):
        return end - extent
    rows = max(1, round(extent * len(whole)))
    start = times[max(len(times) - rows, 0)] if len(times) else end
    assert isinstance(start, datetime)
    return start


def split_training_rows(use_case: UseCase, frame: pl.DataFrame, end: datetime) -> TrainingSplit:
    """Return the labelled rows of `frame`, split by time.

    Raises:
        NoRows: a part has too few rows, or only one value of the label.
    """
    label = use_case.label.column
    labelled = frame.filter(pl.col(label).is_not_null())
    parts = split_by_time(labelled, use_case.spine.time, use_case.split, end)
    for name, part in (
        ("train", parts.train),
        ("validation", parts.validation),
        ("holdout", parts.holdout),
    ):
        min_rows = use_case.split.min_rows if name == "train" else 1
        if part.height < min_rows or part[label].n_unique() < 2:
            raise NoRows(
                f"{use_case.name}: the {name} span up to {end:%Y-%m-%d %H:%M} has {part.height} "
                f"labelled rows with {part[label].n_unique()} values of {label!r}. At least "
                f"{min_rows} rows and two values are required. Ingest more rows, train later, or "
                f"change `split` and `retrain.window` in {use_case.name}.yaml"
            )
    _require_classes(use_case, parts)
    return parts


def _require_classes(use_case: UseCase, parts: TrainingSplit) -> None:
    """Raise NoRows if a class has no row in the train span: the model could not predict it."""
    unseen = problem_type_of(use_case).find_missing_classes(
        read_labels(use_case, parts.train).astype(np.float64)
    )
    if unseen:
        raise NoRows(
            f"{use_case.name}: the train span up to {parts.validation_start:%Y-%m-%d %H:%M} has no "
            f"row of class {', '.join(unseen)} (`label.classes`). Ingest more rows, train "
            "later, widen `retrain.window`, or remove a class that no longer occurs"
        )


def fit_candidate(use_case: UseCase, name: str, parts: TrainingSplit) -> FittedCandidate:
    """Fit one candidate on the train span; choose its threshold by cost on the validation span."""
    fitted = fit_on_rows(use_case, name, parts.train)
    labels, cost = read_labels(use_case, parts.validation), use_case.evaluation.cost
    values = fitted.predict(build_matrix(parts.validation, fitted.schema))
    problem_type = problem_type_of(use_case)
    threshold = problem_type.choose_threshold(labels, values, cost)
    metrics = problem_type.evaluate(labels, values, threshold, cost)
    return replace(fitted, threshold=threshold, validation=metrics)


def fit_on_rows(
    use_case: UseCase, name: str, rows: pl.DataFrame, threshold: Threshold = None
) -> FittedCandidate:
    """Fit one candidate on labelled rows, without metrics; the threshold is given."""
    candidate = use_case.candidates[name]
    schema = learn_schema(use_case.features, rows)
    problem_type = problem_type_of(use_case)
    estimator = build_estimator(name, candidate, schema, use_case.seed, problem_type)
    started = perf_counter()
    matrix = fill_empty_columns(build_matrix(rows, schema))
    estimator.fit(matrix, read_labels(use_case, rows))
    seconds = perf_counter() - started
    return FittedCandidate(name, candidate, schema, estimator, threshold, {}, seconds)


def choose_candidate(use_case: UseCase, fitted: list[FittedCandidate]) -> FittedCandidate:
    """Return the candidate with the best `evaluation.metric` on the validation span.

    Of equal candidates, return the first.
    """
    metric = use_case.evaluation.metric
    best = fitted[0]
    for other in fitted[1:]:
        if is_better(metric, other.validation[metric], best.validation[metric]):
            best = other
    return best


def predict_with_estimator(estimator: Any, matrix: Matrix) -> NDArray[np.float64]:  # noqa: ANN401
    """Return the predictions of a fitted estimator.

    Binary: probabilities of the event (rows,). Regression: values (rows,). Multiclass:
    probabilities (rows, classes).
    """
    from sklearn.base import is_classifier

    if not is_classifier(estimator):
        return np.asarray(estimator.predict(matrix), dtype=np.float64)
    return select_outputs(np.asarray(estimator.predict_proba(matrix), dtype=np.float64))


def read_labels(use_case: UseCase, frame: pl.DataFrame) -> LabelArray:
    """Return the label column (rows,): int8 events or class codes, or float64 values."""
    return frame[use_case.label.column].cast(problem_type_of(use_case).label_type).to_numpy()
