"""Estimators of candidates: from the YAML to an unfitted estimator, and its fit."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from configs.errors import BadConfig
from configs.schema.training import Candidate, Transformer
from tasks.evaluation.problem_types import ProblemType
from tasks.models.matrix import InputSchema
from tasks.training.learners.libraries import find_library

_SCALED = (
    Transformer(
        transformer="sklearn.impute.SimpleImputer",
        params={"strategy": "median", "keep_empty_features": True},
    ),
    Transformer(transformer="sklearn.preprocessing.StandardScaler"),
)
"""Transformers of the numbers with encoding one_hot, if the candidate names none."""


def build_estimator(
    name: str, candidate: Candidate, schema: InputSchema, seed: int, problem_type: ProblemType
) -> Any:  # noqa: ANN401
    """Return an unfitted estimator for the matrix of `schema`.

    With encoding `ordinal`, codes are plain numbers. With `one_hot`, each code gets a column, and
    an unseen code has none; missing numbers become the median, and numbers are scaled. `numeric`
    names other transformers of the numbers.

    Args:
        name: the candidate's name in the YAML, for error messages.
        candidate: estimator, parameters, encoding and transformers.
        schema: the columns of the matrix.
        seed: `random_state` of an estimator that has one.
        problem_type: the problem type that the estimator must support.

    Raises:
        BadConfig: the estimator or a parameter is unknown, a package is not installed, or the
            problem type is not supported.
    """
    field = f"candidates.{name}"
    defaults = find_library(candidate.estimator).defaults
    params = {**defaults, **candidate.params}
    estimator = _make(field, "estimator", candidate.estimator, params, seed)
    if not problem_type.supports_estimator(estimator):
        raise BadConfig(
            f"{field}.estimator: {candidate.estimator} does not support the problem "
            f"type {problem_type.name} (`label.kind`). Name another estimator"
        )
    one_hot = candidate.encoding == "one_hot"
    numeric = candidate.numeric or (_SCALED if one_hot else ())
    steps = [
        _make(f"{field}.numeric.{place}", "transformer", each.transformer, each.params, seed)
        for place, each in enumerate(numeric)
    ]
    return _build_pipeline(estimator, steps, one_hot, schema) if one_hot or steps else estimator


def _make(field: str, kind: str, path: str, params: dict[str, Any], seed: int) -> Any:  # noqa: ANN401
    """Return an unfitted object of scikit-learn's interface, with the seed if it takes one."""
    module, _, class_name = path.rpartition(".")
    try:
        made = getattr(importlib.import_module(module), class_name)(**params)
        known = made.get_params()
    except (ImportError, AttributeError) as missing:
        raise BadConfig(f"{field}.{kind}: {_explain_missing(path, missing)}") from missing
    except (TypeError, ValueError) as invalid:
        raise BadConfig(f"{field}.params is invalid: {invalid}") from invalid
    if "random_state" in known:
        made.set_params(random_state=seed)
    return made


def _explain_missing(path: str, missing: ImportError | AttributeError) -> str:
    package, library = path.partition(".")[0], find_library(path)
    if library.extra and isinstance(missing, ModuleNotFoundError):
        return (
            f"{path!r} needs the package {missing.name or package}, which is not installed. "
            f"Install the extra: pip install 'mainspring[{library.extra}]'"
        )
    return f"{path!r} not found: {missing}. Name an importable class of {package}"


def _build_pipeline(
    estimator: Any,  # noqa: ANN401
    numeric: Sequence[Any],
    one_hot: bool,
    schema: InputSchema,
) -> Any:  # noqa: ANN401
    """Return a pipeline: transformed numbers beside codes, then the estimator."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    numbers = len(schema.numeric)
    codes = OneHotEncoder(handle_unknown="ignore") if one_hot else "passthrough"
    columns = [
        ("numeric", make_pipeline(*numeric), list(range(numbers))),
        ("codes", codes, list(range(numbers, len(schema.inputs)))),
    ]
    used = [column for column in columns if column[2]]  # the converter takes no empty selection
    return make_pipeline(ColumnTransformer(used), estimator)
