"""What differs between kinds of label, a module each; everything else asks `kind_of`."""

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
    "PROBLEM_TYPES", "SCORE_COLUMN", "Labelled", "ProblemType", "Threshold", "problem_type_of",
    "recorded_problem_type",
]  # fmt: skip

PROBLEM_TYPES: dict[base.LabelKind, type[ProblemType]] = {
    "binary": Binary,
    "regression": Regression,
    "multiclass": Multiclass,
}


class Labelled(Protocol):
    """What says of which kind a label is, and which classes it has."""

    @property
    def kind(self) -> base.LabelKind: ...  # noqa: D102
    @property
    def classes(self) -> tuple[str, ...]: ...  # noqa: D102


def problem_type_of(use_case: UseCase) -> ProblemType:
    """The kind of a use case's label."""
    return recorded_problem_type(use_case.label)


def recorded_problem_type(labelled: Labelled) -> ProblemType:
    """The kind of label that a card, say, speaks of."""
    return _build_problem_type(labelled.kind, labelled.classes)


@cache
def _build_problem_type(name: base.LabelKind, classes: tuple[str, ...]) -> ProblemType:
    return PROBLEM_TYPES[name](classes)
