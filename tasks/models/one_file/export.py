"""Export of a version as a one-file model, whose predictions are compared before it is returned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from configs.errors import BadModel
from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import recorded_problem_type
from tasks.models.artifact import read_golden_inputs
from tasks.models.card import ModelCard
from tasks.models.file_integrity import GOLDEN_TOLERANCE
from tasks.models.one_file.graph import build_one_file
from tasks.models.one_file.inputs import Layout, to_one_file_inputs
from tasks.models.one_file.outputs import find_output_names
from tasks.models.onnx_session import start_session
from tasks.models.registry import Model, predict


@dataclass(frozen=True)
class OneFileExport:
    """A one-file model, and how it compares with the version on the golden rows."""

    onnx: bytes
    rows: int
    max_difference: float
    """Of a value; of a regression as a share of the largest value."""


def export_one_file(model: Model, layout: Layout = "columns") -> OneFileExport:
    """Build the one-file model of a version and compare it with the version.

    Raises:
        BadModel: a golden row gets another decision, or its value differs by more than 1e-6.
    """
    onnx = build_one_file(model.onnx, model.card, layout)
    rows, problem_type = read_golden_inputs(model.golden), recorded_problem_type(model.card)
    expected = predict(model, rows)
    values, decisions = predict_one_file(onnx, model.card, rows, layout)
    difference = problem_type.max_difference(values.reshape(expected.shape), expected)
    decided = problem_type.to_decision_column(
        problem_type.decide(expected, model.card.threshold)
    ).to_list()
    flipped = decisions is not None and decisions.tolist() != decided
    if flipped or not difference <= GOLDEN_TOLERANCE:
        raise BadModel(
            f"{model.card.use_case} version {model.version}: its one-file model predicts the "
            f"golden rows differently, by up to {difference:.2g}. Train the version again"
        )
    return OneFileExport(onnx, rows.height, difference)


def predict_one_file(
    onnx: bytes, card: ModelCard, rows: pl.DataFrame, layout: Layout
) -> tuple[Floats, NDArray[Any] | None]:
    """Run a one-file model on one thread.

    Args:
        onnx: a file that `build_one_file` made here: it is opened without the checks of foreign
            files.
        card: the model card of its version.
        rows: rows with the inputs.
        layout: of the file.

    Returns:
        Values (rows, 1) or (rows, classes), and decisions (rows,); None of a regression.
    """
    names = find_output_names(card, layout)
    decision = [] if names.decision is None else [names.decision]
    inputs = to_one_file_inputs(rows, card, layout)
    outputs = start_session(onnx).run([*names.values, *decision], inputs)
    values = np.column_stack(outputs[: len(names.values)]).astype(np.float64)
    return values, outputs[-1].ravel() if decision else None
