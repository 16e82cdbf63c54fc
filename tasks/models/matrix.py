"""From rows to the one float32 matrix that every model trains, predicts and is exported on.

Numeric columns keep their numbers; a category becomes its place in a vocabulary that is learned
from the fitted rows and kept with the model version. And from a model's answers to a column of a
table and back.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from configs.errors import BadModel

Matrix = NDArray[np.float32]


class InputSchema(BaseModel):
    """The matrix's columns in their order, and the vocabulary of each categorical one.

    Of n values in a vocabulary the codes are 0 … n-1. A value never seen is n, a missing one is
    n+1: a code of its own rather than NaN, because a missing category is something a model may
    learn from, and not every ONNX converter takes NaN for a category.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    vocabulary: dict[str, tuple[str, ...]]

    @property
    def inputs(self) -> tuple[str, ...]:
        """All columns, in the matrix's order."""
        return (*self.numeric, *self.categorical)


def build_matrix(frame: pl.DataFrame, schema: InputSchema) -> Matrix:
    """The float32 matrix (rows, inputs), C order, of frames with at least the schema's columns.

    A missing or infinite number is NaN (also one too large for float32). Raises BadModel when a
    column is missing or a numeric one holds text.
    """
    require_inputs(frame, schema.numeric, schema.categorical)
    numbers = (_number(name) for name in schema.numeric)
    codes = (_code(name, schema.vocabulary[name]) for name in schema.categorical)
    return frame.select(*numbers, *codes).to_numpy(order="c")


def _number(name: str) -> pl.Expr:
    value = pl.col(name).cast(pl.Float32)
    return pl.when(value.is_finite()).then(value).otherwise(float("nan")).alias(name)


def _code(name: str, vocabulary: tuple[str, ...]) -> pl.Expr:
    unseen, missing = len(vocabulary), len(vocabulary) + 1
    codes: dict[str | None, int] = {value: code for code, value in enumerate(vocabulary)}
    return (
        pl.col(name)
        .cast(pl.String)
        .replace_strict(codes | {None: missing}, default=unseen, return_dtype=pl.Float32)
    )


def require_inputs(
    frame: pl.DataFrame, numeric: tuple[str, ...], categorical: tuple[str, ...]
) -> None:
    """BadModel if an input is missing, or a numeric one holds text."""
    lacking = [name for name in (*numeric, *categorical) if name not in frame.columns]
    if lacking:
        raise BadModel(f"the rows lack inputs of the model: {', '.join(lacking)}")
    types = {name: frame.schema[name] for name in numeric}
    wrong = [f"{n} ({t})" for n, t in types.items() if not (t.is_numeric() or t == pl.Boolean)]
    if wrong:
        raise BadModel(f"numeric inputs of the model hold no numbers: {', '.join(wrong)}")
