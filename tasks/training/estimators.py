"""Estimators of candidates: from the YAML to an unfitted scikit-learn estimator."""

from __future__ import annotations

import importlib
from typing import Any

from configs.errors import BadConfig
from configs.schema.training import Candidate
from tasks.evaluation.problem_types import ProblemType
from tasks.models.matrix import InputSchema


def build_estimator(
    name: str, candidate: Candidate, schema: InputSchema, seed: int, problem_type: ProblemType
) -> Any:  # noqa: ANN401
    """Return an unfitted estimator for the matrix of `schema`.

    With encoding `ordinal`, the matrix is used as it is, with codes as plain numbers. With
    `one_hot`, missing numbers become the median, numbers are scaled, and each code gets a column;
    an unseen code has none.

    Args:
        name: the candidate's name in the YAML, for error messages.
        candidate: estimator, parameters and encoding.
        schema: the columns of the matrix.
        seed: `random_state` of an estimator that has one.
        problem_type: the problem type that the estimator must support.

    Raises:
        BadConfig: the estimator or a parameter is unknown, or the problem type is not supported.
    """
    field = f"candidates.{name}"
    module, _, class_name = candidate.estimator.rpartition(".")
    try:
        estimator = getattr(importlib.import_module(module), class_name)(**candidate.params)
    except (ImportError, AttributeError) as missing:
        raise BadConfig(
            f"{field}.estimator: {candidate.estimator!r} not found: {missing}. Name an importable "
            "scikit-learn estimator"
        ) from missing
    except TypeError as invalid:
        raise BadConfig(f"{field}.params is invalid: {invalid}") from invalid
    if not problem_type.supports_estimator(estimator):
        raise BadConfig(
            f"{field}.estimator: {candidate.estimator} does not support the problem "
            f"type {problem_type.name} (`label.kind`). Name another estimator"
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
