"""Model input matrix: rows to the float32 matrix of training, prediction and export.

Numbers are kept. A category becomes its position in a vocabulary, which is learned from the fitted
rows and stored with the model version.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from configs.errors import BadModel

Matrix = NDArray[np.float32]


class InputSchema(BaseModel):
    """Columns of the matrix in order, and the vocabulary of each categorical one.

    A vocabulary of n values has the codes 0 … n-1. An unknown value is n, a missing one n+1: a code
    rather than NaN, because models can learn from a missing category, and some ONNX converters
    reject NaN in a category.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    vocabulary: dict[str, tuple[str, ...]]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return all columns, in the order of the matrix."""
        return (*self.numeric, *self.categorical)


def build_matrix(frame: pl.DataFrame, schema: InputSchema) -> Matrix:
    """Build the float32 matrix (rows, inputs), in C order; other columns are ignored.

    A missing or infinite number, or one too large for float32, becomes NaN. Raises BadModel if a
    column is missing or a numeric one has text.
    """
    require_inputs(frame, schema.numeric, schema.categorical)
    numbers = (_number_expr(name) for name in schema.numeric)
    codes = (_code_expr(name, schema.vocabulary[name]) for name in schema.categorical)
    return frame.select(*numbers, *codes).to_numpy(order="c")


def _number_expr(name: str) -> pl.Expr:
    value = pl.col(name).cast(pl.Float32)
    return pl.when(value.is_finite()).then(value).otherwise(float("nan")).alias(name)


def _code_expr(name: str, vocabulary: tuple[str, ...]) -> pl.Expr:
    unknown, missing = len(vocabulary), len(vocabulary) + 1
    codes: dict[str | None, int] = {value: code for code, value in enumerate(vocabulary)}
    return (
        pl.col(name)
        .cast(pl.String)
        .replace_strict(codes | {None: missing}, default=unknown, return_dtype=pl.Float32)
    )


def require_inputs(
    frame: pl.DataFrame, numeric: tuple[str, ...], categorical: tuple[str, ...]
) -> None:
    """Raise BadModel if an input is missing, or a numeric one has text."""
    missing = [name for name in (*numeric, *categorical) if name not in frame.columns]
    if missing:
        raise BadModel(f"the rows lack inputs of the model: {', '.join(missing)}")
    types = {name: frame.schema[name] for name in numeric}
    wrong = [f"{n} ({t})" for n, t in types.items() if not (t.is_numeric() or t == pl.Boolean)]
    if wrong:
        raise BadModel(f"numeric inputs of the model have no numbers: {', '.join(wrong)}")
