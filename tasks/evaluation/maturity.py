"""Label coverage and maturity: whether enough of the rows due are labelled."""

from __future__ import annotations

from typing import overload

import polars as pl


def label_coverage(labelled: int, due: int) -> float:
    """Return the labelled share of the due rows, 0 to 1; 0 if no row is due.

    Args:
        labelled: number of due rows with a label.
        due: number of rows that should get one.
    """
    return labelled / due if due else 0.0


@overload
def is_mature(coverage: float, min_coverage: float) -> bool: ...
@overload
def is_mature(coverage: pl.Expr, min_coverage: float) -> pl.Expr: ...
def is_mature(coverage: float | pl.Expr, min_coverage: float) -> bool | pl.Expr:
    """Return whether rows are mature: their label coverage reaches the minimum.

    Args:
        coverage: as `label_coverage` returns it, or an expression for it.
        min_coverage: `label.min_coverage` of the use case.
    """
    return coverage >= min_coverage
