"""A model version as the server opens it: checked files, one-file model, session on one thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from configs.schema.use_case import UseCase
from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import ProblemType, recorded_problem_type
from tasks.features.online_read import OnlineView, RequestColumns, list_service_views
from tasks.models.artifact import read_golden_inputs
from tasks.models.card import ModelCard
from tasks.models.one_file.export import export_one_file
from tasks.models.one_file.inputs import BLOCKS, MISSING_CATEGORY
from tasks.models.one_file.outputs import find_output_names
from tasks.models.onnx_session import start_session
from tasks.models.registry import open_model, require_same_label

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@dataclass(frozen=True)
class OpenedVersion:
    """A version that predicts rows from blocks of numbers and texts.

    `example` is a golden row; `views` are those of the version's feature service.
    """

    version: int
    card: ModelCard
    session: InferenceSession
    output: str
    views: tuple[OnlineView, ...]
    example: dict[str, Any]

    @property
    def problem_type(self) -> ProblemType:
        """Return the problem type of the version."""
        return recorded_problem_type(self.card)


def open_served_version(use_case: UseCase, version: int) -> OpenedVersion:
    """Open a version: its digests by the ledger, its golden rows, and parity of its one-file model.

    Raises:
        BadModel: a file is not that of the ledger, or predicts golden rows differently.
        BadConfig: the version was trained for another label, or its features are not defined.
    """
    model = open_model(use_case.name, version)
    require_same_label(use_case, model)
    exported = export_one_file(model, "blocks")
    return OpenedVersion(
        version,
        model.card,
        start_session(exported.onnx),
        find_output_names(model.card, "blocks").values[0],
        tuple(list_service_views(use_case, model.card.feature_service)),
        read_golden_inputs(model.golden).row(0, named=True),
    )


def predict_columns(opened: OpenedVersion, columns: RequestColumns, count: int) -> Floats:
    """Predict the rows of a request: values (rows,), or (rows, classes).

    Args:
        opened: the version.
        columns: its inputs by name; numbers and texts, None if missing.
        count: number of rows.
    """
    blocks = build_blocks(opened.card, columns, count)
    values: Floats = opened.session.run([opened.output], blocks)[0].astype(np.float64)
    return values if opened.card.kind == "multiclass" else values[:, 0]


def build_blocks(card: ModelCard, columns: RequestColumns, count: int) -> dict[str, NDArray[Any]]:
    """Return rows as the blocks of a one-file model, without a data frame."""
    schema = card.inputs
    blocks: dict[str, NDArray[Any]] = {}
    if schema.numeric:
        numbers = [columns[name] for name in schema.numeric]
        with np.errstate(over="ignore"):  # infinite in float32, so missing
            rows = np.array(numbers, dtype=np.float32).reshape(len(numbers), count).T
        blocks[BLOCKS[0]] = np.ascontiguousarray(rows)
    if schema.categorical:
        texts = np.empty((count, len(schema.categorical)), dtype=object)
        for place, name in enumerate(schema.categorical):
            texts[:, place] = [_to_text(value) for value in columns[name]]
        blocks[BLOCKS[1]] = texts
    return blocks


def _to_text(value: object) -> str:
    """Return a category as text, as polars writes it in batch scoring."""
    if isinstance(value, str):
        return value
    if value is None:
        return MISSING_CATEGORY
    text: str = pl.Series([value]).cast(pl.String).item()
    return text


def list_inputs(versions: Sequence[OpenedVersion]) -> tuple[str, ...]:
    """Return the inputs of all versions, each once."""
    return tuple(dict.fromkeys(name for each in versions for name in each.card.inputs.inputs))
