"""Candidates: split by time, fitted on float32, the best chosen on the validation span.

| train ............................ | validation ........ | holdout ......... | end
                                     chooses candidate     only measured
                                     and threshold
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from configs.errors import BadConfig, NoRows
from configs.schema.data import Features
from configs.schema.training import Candidate, Split
from configs.schema.use_case import UseCase
from tasks.evaluation.metrics import is_better
from tasks.evaluation.problem_types import ProblemType, Threshold, problem_type_of
from tasks.models.matrix import InputSchema, Matrix, build_matrix, require_inputs
from tasks.models.onnx_session import select_outputs


def learn_schema(features: Features, frame: pl.DataFrame) -> InputSchema:
    """The schema of the use case's inputs, with the values of `frame` as vocabulary, sorted."""
    require_inputs(frame, features.numeric, features.categorical)
    text = frame.select(pl.col(features.categorical).cast(pl.String))
    vocabulary = {name: tuple(text[name].drop_nulls().unique().sort()) for name in text.columns}
    return InputSchema(
        numeric=features.numeric, categorical=features.categorical, vocabulary=vocabulary
    )


LabelArray = NDArray[np.int8] | NDArray[np.float64]


@dataclass(frozen=True)
class TrainingSplit:
    """The labelled rows of a training window by time, and where one part ends."""

    train: pl.DataFrame
    validation: pl.DataFrame
    holdout: pl.DataFrame
    validation_start: datetime
    holdout_start: datetime
    end: datetime

    @property
    def seen(self) -> pl.DataFrame:
        """What a model was fitted or selected on."""
        return pl.concat([self.train, self.validation])


@dataclass(frozen=True)
class FittedCandidate:
    """One candidate after fitting: its estimator and how it did on the validation span."""

    name: str
    candidate: Candidate
    schema: InputSchema
    estimator: Any
    threshold: Threshold
    validation: dict[str, float]
    seconds: float

    def value(self, matrix: Matrix) -> NDArray[np.float64]:
        """scikit-learn's own answers to the rows, as `answer`."""
        return predict_with_estimator(self.estimator, matrix)


def split_by_time(frame: pl.DataFrame, time: str, split: Split, end: datetime) -> TrainingSplit:
    """Rows before `end` in three parts: the last `holdout`, `validation` before it, the rest."""
    holdout_start = end - split.holdout
    validation_start = holdout_start - split.validation
    at = pl.col(time)
    return TrainingSplit(
        train=frame.filter(at < validation_start),
        validation=frame.filter(at >= validation_start, at < holdout_start),
        holdout=frame.filter(at >= holdout_start, at < end),
        validation_start=validation_start,
        holdout_start=holdout_start,
        end=end,
    )


def split_training_rows(use_case: UseCase, frame: pl.DataFrame, end: datetime) -> TrainingSplit:
    """The labelled rows of `frame`, split; NoRows says which part has too few of them."""
    label = use_case.label.column
    labelled = frame.filter(pl.col(label).is_not_null())
    parts = split_by_time(labelled, use_case.spine.time, use_case.split, end)
    for name, part in (
        ("train", parts.train),
        ("validation", parts.validation),
        ("holdout", parts.holdout),
    ):
        wanted = use_case.split.min_rows if name == "train" else 1
        if part.height < wanted or part[label].n_unique() < 2:
            raise NoRows(
                f"{use_case.name}: the {name} span up to {end:%Y-%m-%d %H:%M} has {part.height} "
                f"labelled rows with {part[label].n_unique()} values of {label!r}; wanted: at "
                f"least {wanted} rows and two values. Ingest more, train later, or change "
                f"split and retrain.window in {use_case.name}.yaml"
            )
    _require_classes(use_case, parts)
    return parts


def _require_classes(use_case: UseCase, parts: TrainingSplit) -> None:
    """A model knows the classes that it was fitted on, and must know them all."""
    codes = label_array(use_case, parts.train).astype(np.float64)
    missing = problem_type_of(use_case).find_missing_classes(codes)
    if missing:
        raise NoRows(
            f"{use_case.name}: the train span up to {parts.validation_start:%Y-%m-%d %H:%M} has no "
            f"row of class {', '.join(missing)} (label.classes). Ingest more, train later, widen "
            "retrain.window, or take a class away that no longer comes"
        )


def fit_candidate(use_case: UseCase, name: str, parts: TrainingSplit) -> FittedCandidate:
    """Fit one candidate on the train part; choose its threshold by cost on the validation part."""
    candidate = use_case.candidates[name]
    schema = learn_schema(use_case.features, parts.train)
    kind = problem_type_of(use_case)
    estimator = build_estimator(name, candidate, schema, use_case.seed, kind)
    started = perf_counter()
    estimator.fit(build_matrix(parts.train, schema), label_array(use_case, parts.train))
    seconds = perf_counter() - started
    truth = label_array(use_case, parts.validation)
    values = predict_with_estimator(estimator, build_matrix(parts.validation, schema))
    cost = use_case.evaluation.cost
    threshold = kind.choose_threshold(truth, values, cost)
    metrics = kind.evaluate(truth, values, threshold, cost)
    return FittedCandidate(name, candidate, schema, estimator, threshold, metrics, seconds)


def choose_candidate(use_case: UseCase, fitted: list[FittedCandidate]) -> FittedCandidate:
    """The candidate with the best evaluation.metric on the validation part; the first of equals."""
    metric = use_case.evaluation.metric
    best = fitted[0]
    for other in fitted[1:]:
        if is_better(metric, other.validation[metric], best.validation[metric]):
            best = other
    return best


def build_estimator(
    name: str, candidate: Candidate, schema: InputSchema, seed: int, kind: ProblemType
) -> Any:  # noqa: ANN401
    """An unfitted estimator for the matrix of `schema`; BadConfig if the YAML names none for such
    a label.

    `ordinal` takes the matrix as it is, codes as plain numbers. `one_hot` fills missing numbers
    with the median, scales them, and gives each code a column; codes never seen have none.
    """
    field = f"candidates.{name}"
    module, _, of = candidate.estimator.rpartition(".")
    try:
        estimator = getattr(importlib.import_module(module), of)(**candidate.params)
    except (ImportError, AttributeError) as missing:
        raise BadConfig(f"{field}.estimator: no {candidate.estimator!r}: {missing}") from missing
    except TypeError as wrong:
        raise BadConfig(f"{field}.params: {wrong}") from wrong
    if not kind.supports_estimator(estimator):
        raise BadConfig(
            f"{field}.estimator: {candidate.estimator} is not made for a {kind.name} label "
            "(label.kind); name another one"
        )
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=seed)
    return _with_one_hot(estimator, schema) if candidate.encoding == "one_hot" else estimator


def _with_one_hot(estimator: Any, schema: InputSchema) -> Any:  # noqa: ANN401
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    impute = SimpleImputer(strategy="median", keep_empty_features=True)
    numeric = len(schema.numeric)
    columns = [
        ("numeric", make_pipeline(impute, StandardScaler()), list(range(numeric))),
        ("codes", OneHotEncoder(handle_unknown="ignore"), list(range(numeric, len(schema.inputs)))),
    ]
    used = [column for column in columns if column[2]]  # the converter takes no empty selection
    return make_pipeline(ColumnTransformer(used), estimator)


def predict_with_estimator(estimator: Any, matrix: Matrix) -> NDArray[np.float64]:  # noqa: ANN401
    """What a fitted estimator says of the rows: probabilities of the event, or values, (rows,);
    or of more than two classes the probability of each, (rows, classes).
    """
    from sklearn.base import is_classifier

    if not is_classifier(estimator):
        return np.asarray(estimator.predict(matrix), dtype=np.float64)
    return select_outputs(np.asarray(estimator.predict_proba(matrix), dtype=np.float64))


def label_array(use_case: UseCase, frame: pl.DataFrame) -> LabelArray:
    """The label column (rows,): int8 of an event or a class, float64 of a number."""
    return frame[use_case.label.column].cast(problem_type_of(use_case).label_type).to_numpy()
