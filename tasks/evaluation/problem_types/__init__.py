"""Problem types by the label kind of the YAML: binary, multiclass, regression."""

from __future__ import annotations

from functools import cache
from typing import Protocol

from configs.schema import base
from configs.schema.use_case import UseCase
from tasks.evaluation.problem_types.base import SCORE_COLUMN, ProblemType, Threshold
from tasks.evaluation.problem_types.binary import Binary
from tasks.evaluation.problem_types.multiclass import Multiclass
from tasks.evaluation.problem_types.regression import Regression

__all__ = [
    "PROBLEM_TYPES", "SCORE_COLUMN", "LabelSpec", "ProblemType", "Threshold", "problem_type_of",
    "recorded_problem_type",
]  # fmt: skip

PROBLEM_TYPES: dict[base.LabelKind, type[ProblemType]] = {
    "binary": Binary,
    "regression": Regression,
    "multiclass": Multiclass,
}


class LabelSpec(Protocol):
    """The kind of a label, and the classes of a multiclass one."""

    @property
    def kind(self) -> base.LabelKind: ...  # noqa: D102
    @property
    def classes(self) -> tuple[str, ...]: ...  # noqa: D102


def problem_type_of(use_case: UseCase) -> ProblemType:
    """Return the problem type of a use case."""
    return recorded_problem_type(use_case.label)


def recorded_problem_type(label: LabelSpec) -> ProblemType:
    """Return the problem type that a record, such as a model card, names."""
    return _build_problem_type(label.kind, label.classes)


@cache
def _build_problem_type(name: base.LabelKind, classes: tuple[str, ...]) -> ProblemType:
    return PROBLEM_TYPES[name](classes)
