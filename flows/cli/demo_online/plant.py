"""A planted version: it predicts like another one, but slowly, and fails on some rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.models.artifact import ModelArtifact

_PREFIX = "planted_"
_MOST_FAILING = 0.3  # of the rows: the others are slow, but predicted


@dataclass(frozen=True)
class ValueGap:
    """Values of an input, between two values of golden rows, on which a version can fail."""

    column: int
    low: float
    high: float
    rows: int


def find_value_gap(
    golden: NDArray[np.float32], rows: NDArray[np.float32], most: float = _MOST_FAILING
) -> ValueGap:
    """Return the gap between golden values that holds the most rows, up to a share of them.

    Args:
        golden: inputs of the golden rows, (rows, inputs).
        rows: inputs of the rows to fail on, (rows, inputs).
        most: share of the rows that may lie in the gap; a wider gap is cut.
    """
    best, limit = ValueGap(0, 0.0, 0.0, 0), int(most * len(rows))
    for column in range(golden.shape[1]):
        known = np.unique(golden[:, column][np.isfinite(golden[:, column])])
        values = np.sort(rows[:, column][np.isfinite(rows[:, column])])
        for low, high in pairwise(np.concatenate([[-np.inf], known, [np.inf]])):
            inside = values[(values > low) & (values < high)]
            if len(inside) > limit:
                high = inside[limit]
                inside = inside[inside < high]
            if len(inside) > best.rows:
                best = ValueGap(column, float(low), float(high), len(inside))
    return best


def plant_fault(
    artifact: ModelArtifact, *, size: int = 0, gap: ValueGap | None = None
) -> ModelArtifact:
    """Return an artifact with the same predictions, but a fault.

    Args:
        artifact: the version.
        size: of a square matrix that each call multiplies; 0: it is as fast as before.
        gap: the values on which it fails; None: it never fails.
    """
    from onnx import ModelProto

    model = ModelProto()
    model.ParseFromString(artifact.onnx)
    graph = model.graph
    for node in graph.node:
        node.input[:] = [f"{_PREFIX}rows" if name == "inputs" else name for name in node.input]
    nodes, constants = _build_fault(size, gap)
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
    graph.initializer.extend(constants)
    onnx = model.SerializeToString()
    digest = sha256(onnx).hexdigest()
    changes = {"digest": digest, "one_file_digest": None}
    return replace(artifact, onnx=onnx, card=artifact.card.model_copy(update=changes))


def _build_fault(size: int, gap: ValueGap | None) -> tuple[list[Any], list[Any]]:
    """Return nodes from `inputs` to the planted rows, and their constants."""
    from onnx import helper, numpy_helper

    constants: list[Any] = []

    def constant(name: str, value: NDArray[Any]) -> str:
        constants.append(numpy_helper.from_array(value, _PREFIX + name))
        return _PREFIX + name

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> Any:  # noqa: ANN401
        return helper.make_node(
            kind, inputs, [_PREFIX + output], name=_PREFIX + output, **attributes
        )

    zero, first = (
        constant("zero", np.array([0], np.float32)),
        constant("first", np.array([0], np.int64)),
    )
    nodes = [
        node("Gather", ["inputs", first], "column", axis=1),
        node("IsNaN", [f"{_PREFIX}column"], "missing"),
        node("Cast", [f"{_PREFIX}missing"], "number", to=1),
        node("ReduceSum", [f"{_PREFIX}number"], "sum", keepdims=0),
    ]
    work = f"{_PREFIX}sum"
    if size:
        square = constant("square", np.full((size, size), 1 / size, np.float32))
        nodes += [
            node("Add", [square, work], "matrix"),  # not constant: else it is folded
            node("MatMul", [f"{_PREFIX}matrix", square], "product"),
            node("ReduceSum", [f"{_PREFIX}product"], "total", keepdims=0),
        ]
        work = f"{_PREFIX}total"
    nodes += [
        node("Mul", [work, zero], "nothing"),
        node("Add", ["inputs", f"{_PREFIX}nothing"], "slow_rows"),
    ]
    if gap is None:
        return [*nodes, node("Identity", [f"{_PREFIX}slow_rows"], "rows")], constants
    place = constant("place", np.array([gap.column], np.int64))
    bounds = (
        np.array([max(gap.low, -3e38)], np.float32),
        np.array([min(gap.high, 3e38)], np.float32),
    )
    low, high = constant("low", bounds[0]), constant("high", bounds[1])
    nodes += [
        node("Gather", [f"{_PREFIX}slow_rows", place], "value", axis=1),
        node("Greater", [f"{_PREFIX}value", low], "above"),
        node("Less", [f"{_PREFIX}value", high], "below"),
        node("And", [f"{_PREFIX}above", f"{_PREFIX}below"], "inside"),
        node("Cast", [f"{_PREFIX}inside"], "index", to=7),
        # the constant has one element: the index 1 is an error of the runtime
        node("Gather", [zero, f"{_PREFIX}index"], "checked", axis=0),
        node("Add", [f"{_PREFIX}slow_rows", f"{_PREFIX}checked"], "rows"),
    ]
    return nodes, constants
