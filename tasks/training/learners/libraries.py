"""Learner libraries that a candidate may name: what to install, defaults, conversion to ONNX."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from tasks.training.learners import foreign_converters

_OPSETS = {"": 18, "ai.onnx.ml": 3}  # the converters of other libraries know no later ones


@dataclass(frozen=True)
class Library:
    """A package of estimators.

    `packages` decide about a model's predictions, `extra` installs them. `defaults` are parameters
    that a candidate may override. `prepare` returns a copy of a fitted estimator that the converter
    reads right. `register` tells sklearn-onnx how to convert the library's estimators.
    """

    packages: tuple[str, ...]
    extra: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Any], Any] = lambda estimator: estimator
    register: Callable[[], None] = lambda: None
    opsets: dict[str, int] | None = None  # None: the least that the graph needs


def find_library(path: str) -> Library:
    """Return the library of an estimator, by its path in the YAML or the module of its class."""
    return LIBRARIES[path.partition(".")[0]]


def _lower_histogram_boosting(estimator: Any) -> Any:  # noqa: ANN401
    """Return the estimator with each threshold of histogram boosting lowered to a float32.

    The thresholds lie halfway between two values, in float64. The converter rounds to the nearest
    float32. If the values are neighbours in float32, it may round up to the larger one, which then
    takes the wrong branch.
    """
    for trees in getattr(estimator, "_predictors", ()):
        for tree in trees:
            tree.nodes["num_threshold"] = lower_to_float32(tree.nodes["num_threshold"])
    return estimator


def lower_to_float32(thresholds: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the largest float32 that is not above each threshold.

    No float32 lies between the two, so the lowered threshold decides as before.
    """
    with np.errstate(over="ignore"):  # infinity, which no number is above
        near = thresholds.astype(np.float32)
    below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near > thresholds, below, near)


def _lower_lightgbm(estimator: Any) -> Any:  # noqa: ANN401
    """Return the estimator with the trees of LightGBM rewritten for float32 inputs."""
    from lightgbm import Booster

    text = estimator.booster_.model_to_string(num_iteration=estimator.booster_.best_iteration)
    text = re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE)  # in bytes: they change
    trees = re.split(r"(?m)^(?=Tree=\d+$)", text)
    estimator._Booster = Booster(model_str="".join(map(_rewrite_tree, trees)))
    return estimator


_CATEGORICAL, _DEFAULT_LEFT, _MISSING_NAN = 1, 2, 8  # bits of LightGBM's decision_type
_ZERO = np.float32(1e-35)  # LightGBM reads -_ZERO to _ZERO as 0
_MISSING_BITS = 12  # 0: a missing value is zero; 4: zero is missing; 8: NaN is missing


def _rewrite_tree(text: str) -> str:
    """Return a tree in LightGBM's text with lowered thresholds and explicit missing values.

    A node that saw no missing value takes NaN as zero. ONNX has no such rule, so the branch of zero
    becomes the default.
    """
    threshold_line = re.search(r"(?m)^threshold=(.*)$", text)
    type_line = re.search(r"(?m)^decision_type=(.*)$", text)
    if not threshold_line or not type_line or not threshold_line[1]:
        return text
    exact = np.array(threshold_line[1].split(), dtype=np.float64)
    types = np.array(type_line[1].split(), dtype=np.int64)
    numeric = types & _CATEGORICAL == 0
    lowered = np.where(numeric, lower_to_float32(_clear_of_zero(exact)), exact)
    plain = numeric & (types & _MISSING_BITS == 0)
    explicit = np.where(exact >= 0, _MISSING_NAN | _DEFAULT_LEFT, _MISSING_NAN)
    types = np.where(plain, explicit, types)
    text = text.replace(threshold_line[0], "threshold=" + " ".join(map(repr, lowered.tolist())), 1)
    return text.replace(type_line[0], "decision_type=" + " ".join(map(str, types.tolist())), 1)


def _clear_of_zero(thresholds: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return thresholds that are not among the numbers that LightGBM reads as zero."""
    below = np.nextafter(-_ZERO, np.float32(-np.inf))
    outside = np.where(thresholds < 0, below, _ZERO)
    return np.where(np.abs(thresholds) <= _ZERO, outside, thresholds)


LIBRARIES = {
    "sklearn": Library(packages=("scikit-learn", "skl2onnx"), prepare=_lower_histogram_boosting),
    "lightgbm": Library(
        packages=("lightgbm", "onnxmltools"),
        extra="learners",
        # the same trees whatever the number of threads, and no line for each tree
        defaults={"verbosity": -1, "deterministic": True, "force_row_wise": True},
        prepare=_lower_lightgbm,
        opsets=_OPSETS,
        register=cache(foreign_converters.register_lightgbm),
    ),
    "xgboost": Library(
        packages=("xgboost", "onnxmltools"),
        extra="xgboost",
        opsets=_OPSETS,
        register=cache(foreign_converters.register_xgboost),
    ),
    "catboost": Library(
        packages=("catboost",),
        extra="catboost",
        defaults={"verbose": False, "allow_writing_files": False},  # else it writes here
        opsets=_OPSETS,
        register=cache(foreign_converters.register_catboost),
    ),
}
"""The libraries by the first part of an estimator's path; `Candidate.estimator` allows no other."""
