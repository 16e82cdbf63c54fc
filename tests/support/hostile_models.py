"""ONNX models that training never exports: endless, huge, foreign, or without predictions."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    helper,
    numpy_helper,
)

FLOAT = TensorProto.FLOAT
INPUT = helper.make_tensor_value_info("inputs", FLOAT, [None, 1])
OUTPUT = helper.make_tensor_value_info("variable", FLOAT, [None, 1])


def build_model(
    nodes: Sequence[NodeProto],
    constants: Sequence[TensorProto] = (),
    *,
    inputs: Sequence[Any] = (INPUT,),
    outputs: Sequence[Any] = (OUTPUT,),
    domain: str = "",
) -> ModelProto:
    """Return a model of some nodes, from `inputs` to `variable` unless told otherwise."""
    graph = helper.make_graph(nodes, "model", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def constant(name: str, value: Any, kind: Any = np.int64) -> TensorProto:
    return numpy_helper.from_array(np.asarray(value, kind), name)


def identity() -> ModelProto:
    """A harmless model: the prediction is the input."""
    return build_model([helper.make_node("Identity", ["inputs"], ["variable"])])


def _body() -> GraphProto:
    def value(name: str, kind: int, shape: Sequence[Any]) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    nodes = [
        helper.make_node("Identity", ["going"], ["going_on"]),
        helper.make_node("Identity", ["state"], ["state_on"]),
    ]
    before = [value("step", TensorProto.INT64, []), value("going", TensorProto.BOOL, [])]
    return helper.make_graph(
        nodes,
        "body",
        [*before, value("state", FLOAT, [None, 1])],
        [value("going_on", TensorProto.BOOL, []), value("state_on", FLOAT, [None, 1])],
    )


def endless_loop() -> ModelProto:
    steps, going = constant("steps", 2**62), constant("start", True, np.bool_)
    loop = helper.make_node("Loop", ["steps", "start", "inputs"], ["variable"], body=_body())
    return build_model([loop], [steps, going])


def nested_branches() -> ModelProto:
    def branch(level: int) -> GraphProto:
        name = f"out{level}"
        node = helper.make_node("Identity", ["inputs"], [name])
        if level:
            inner = branch(level - 1)
            node = helper.make_node("If", ["yes"], [name], then_branch=inner)
        return helper.make_graph(
            [node], name, [], [helper.make_tensor_value_info(name, FLOAT, None)]
        )

    nodes = [*branch(12).node, helper.make_node("Identity", ["out12"], ["variable"])]
    return build_model(nodes, [constant("yes", True, np.bool_)])


def _expanding(kind: str, sizes: Sequence[int]) -> ModelProto:
    inputs = ["size"] if kind == "ConstantOfShape" else ["inputs", "size"]
    nodes = [
        helper.make_node(kind, inputs, ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["one"], keepdims=1),
        helper.make_node("Add", ["inputs", "one"], ["variable"]),
    ]
    return build_model(nodes, [constant("size", sizes)])


def huge_initializer() -> ModelProto:
    tensor = TensorProto(name="huge", data_type=FLOAT, dims=[2**31, 2])
    return build_model([helper.make_node("MatMul", ["inputs", "huge"], ["variable"])], [tensor])


def external_data(location: str) -> ModelProto:
    tensor = TensorProto(name="weight", data_type=FLOAT, dims=[1, 1], data_location=1)
    tensor.external_data.add(key="location", value=location)
    return build_model([helper.make_node("MatMul", ["inputs", "weight"], ["variable"])], [tensor])


def external_attribute() -> ModelProto:
    tensor = TensorProto(name="weight", data_type=FLOAT, dims=[1, 1], data_location=1)
    tensor.external_data.add(key="location", value="/etc/passwd")
    nodes = [
        helper.make_node("Constant", [], ["weight"], value=tensor),
        helper.make_node("MatMul", ["inputs", "weight"], ["variable"]),
    ]
    return build_model(nodes)


def sparse() -> ModelProto:
    model = identity()
    values = helper.make_tensor("weight", FLOAT, [1], [1.0])
    indices = helper.make_tensor("at", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(
        SparseTensorProto(values=values, indices=indices, dims=[2**40])
    )
    return model


def with_function() -> ModelProto:
    model = identity()
    node = helper.make_node("Identity", ["x"], ["y"])
    opset = helper.make_opsetid("", 17)
    model.functions.append(helper.make_function("own", "F", ["x"], ["y"], [node], [opset]))
    return model


def foreign(domain: str, kind: str) -> ModelProto:
    return build_model(
        [helper.make_node(kind, ["inputs"], ["variable"], domain=domain)], domain=domain
    )


def with_signature(name: str, kind: int, shape: Sequence[Any], output: str) -> ModelProto:
    return build_model(
        [helper.make_node("Identity", [name], [output])],
        inputs=[helper.make_tensor_value_info(name, kind, shape)],
        outputs=[helper.make_tensor_value_info(output, kind, shape)],
    )


def without_outputs() -> ModelProto:
    model = identity()
    del model.graph.output[:]
    return model


def many_nodes() -> ModelProto:
    names = ["inputs", *(f"n{number}" for number in range(25_000)), "variable"]
    return build_model(
        [helper.make_node("Identity", [name], [after]) for name, after in pairwise(names)]
    )


REFUSED_GRAPHS: dict[str, Callable[[], ModelProto]] = {
    "an endless loop": endless_loop,
    "branches in branches": nested_branches,
    "ConstantOfShape of gigabytes": lambda: _expanding("ConstantOfShape", [2**20, 2**12]),
    "Expand to gigabytes": lambda: _expanding("Expand", [2**20, 2**12]),
    "Tile to gigabytes": lambda: _expanding("Tile", [2**16, 2**14]),
    "an initializer of 16 GiB": huge_initializer,
    "data in another folder": lambda: external_data("../../secrets.bin"),
    "data at an absolute path": lambda: external_data("/etc/passwd"),
    "data outside in an attribute": external_attribute,
    "a sparse initializer": sparse,
    "a function of its own": with_function,
    "a custom domain": lambda: foreign("evil.example", "Run"),
    "an operator of Microsoft": lambda: foreign("com.microsoft", "CDist"),
    "an operator for text": lambda: foreign("", "StringNormalizer"),
    "a random operator": lambda: foreign("", "RandomNormalLike"),
    "another input name": lambda: with_signature("x", FLOAT, [None, 1], "variable"),
    "another input type": lambda: with_signature("inputs", TensorProto.DOUBLE, [None, 1],
                                                 "variable"),
    "an input of text": lambda: with_signature("inputs", TensorProto.STRING, [None, 1],
                                               "variable"),
    "an input of three dimensions": lambda: with_signature("inputs", FLOAT, [None, 1, 1],
                                                           "variable"),
    "another output name": lambda: with_signature("inputs", FLOAT, [None, 1], "y"),
    "no outputs": without_outputs,
    "too many nodes": many_nodes,
}  # fmt: skip


def nan_outputs() -> ModelProto:
    nodes = [
        helper.make_node("Sub", ["inputs", "inputs"], ["zero"]),
        helper.make_node("Div", ["zero", "zero"], ["variable"]),
    ]
    return build_model(nodes)


def quadratic() -> ModelProto:
    """A model whose memory grows with the square of the rows."""
    nodes = [
        helper.make_node("Transpose", ["inputs"], ["across"]),
        helper.make_node("MatMul", ["inputs", "across"], ["all_pairs"]),
        helper.make_node("ReduceSum", ["all_pairs", "axis"], ["variable"], keepdims=1),
    ]
    return build_model(nodes, [constant("axis", [1])])


def break_bytes(content: bytes, seed: int) -> bytes:
    """Return bytes with one bit flipped, or cut off."""
    draw = random.Random(seed)
    place = draw.randrange(len(content))
    if seed % 3 == 0:
        return content[:place]
    flipped = bytearray(content)
    flipped[place] ^= 1 << draw.randrange(8)
    return bytes(flipped)
