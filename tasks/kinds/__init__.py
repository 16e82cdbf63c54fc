"""What differs between kinds of label, a module each; everything else asks `kind_of`."""

from __future__ import annotations

from configs import part
from configs.use_case import UseCase
from tasks.kinds.binary import Binary
from tasks.kinds.kind import Kind
from tasks.kinds.regression import Regression

__all__ = ["KINDS", "Kind", "kind_of"]

KINDS: dict[part.Kind, Kind] = {"binary": Binary(), "regression": Regression()}


def kind_of(use_case: UseCase) -> Kind:
    """The kind of a use case's label."""
    return KINDS[use_case.label.kind]
