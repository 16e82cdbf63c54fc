"""What differs between kinds of label, a module each; everything else asks `kind_of`."""

from __future__ import annotations

from functools import cache
from typing import Protocol

from configs import part
from configs.use_case import UseCase
from tasks.kinds.binary import Binary
from tasks.kinds.kind import SCORE, Kind, Threshold
from tasks.kinds.multiclass import Multiclass
from tasks.kinds.regression import Regression

__all__ = ["KINDS", "SCORE", "Kind", "Labelled", "Threshold", "kind_in", "kind_of"]

KINDS: dict[part.Kind, type[Kind]] = {
    "binary": Binary,
    "regression": Regression,
    "multiclass": Multiclass,
}


class Labelled(Protocol):
    """What says of which kind a label is, and which classes it has."""

    @property
    def kind(self) -> part.Kind: ...  # noqa: D102
    @property
    def classes(self) -> tuple[str, ...]: ...  # noqa: D102


def kind_of(use_case: UseCase) -> Kind:
    """The kind of a use case's label."""
    return kind_in(use_case.label)


def kind_in(labelled: Labelled) -> Kind:
    """The kind of label that a card, say, speaks of."""
    return _kind(labelled.kind, labelled.classes)


@cache
def _kind(name: part.Kind, classes: tuple[str, ...]) -> Kind:
    return KINDS[name](classes)
