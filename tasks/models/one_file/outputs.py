"""Outputs of a one-file model: their names."""

from __future__ import annotations

from dataclasses import dataclass

from configs.schema.names import own_name
from tasks.evaluation.problem_types import recorded_problem_type
from tasks.models.card import ModelCard
from tasks.models.one_file.inputs import Layout


@dataclass(frozen=True)
class OutputNames:
    """Names of the outputs; a name that an input has begins with `__`."""

    values: tuple[str, ...]
    """One; of classes in the layout `vectors` one a class, since MLflow takes no matrix."""
    decision: str | None
    """None of a number, which is its own decision."""


def find_output_names(card: ModelCard, layout: Layout = "columns") -> OutputNames:
    """Return the names of a one-file model's outputs."""
    value, inputs = recorded_problem_type(card).value_column, card.inputs.inputs
    is_split = layout == "vectors" and card.kind == "multiclass"
    values = [f"{value}_{name}" for name in card.classes] if is_split else [value]
    decision = None if card.kind == "regression" else own_name("decision", inputs)
    return OutputNames(tuple(own_name(name, inputs) for name in values), decision)
