"""Checks of an ONNX graph before a session is made: operators, sizes, inputs, outputs.

A model file is a program. A loop may not end, a small constant may expand to gigabytes, and an
initializer may name a file of this machine. So only operators that exports of scikit-learn use are
allowed, and only data inside the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from configs.errors import BadModel

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

OUTPUT_NAMES = ("probabilities", "variable")  # of classifiers, of regressors
INPUT_NAME = "inputs"
MAX_NODES = 20_000
MAX_ELEMENTS = 2**28  # of one tensor: 1 GiB of float32
_MAX_DEPTH = 3  # of graphs in graphs
_EXPANDING = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1}  # place of the input with the size
_MAX_EXPANSION = 2**24  # elements
# what exports of scikit-learn's classifiers and regressors use; not Loop, If and SequenceMap
_MAIN_OPERATORS = """
    Abs Add And ArgMax ArgMin Cast Ceil Clip Concat Constant ConstantOfShape CumSum Div Einsum Equal
    Erf Exp Expand Flatten Floor Gather GatherElements Gemm Greater GreaterOrEqual Identity IsNaN
    Less LessOrEqual Log MatMul Max Mean Min Mod Mul Neg Not Or Pow Reciprocal ReduceL1 ReduceL2
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape
    Round Scan Shape Sigmoid Sign Slice Softmax Sqrt Squeeze Sub Sum Tanh Tile TopK Transpose
    Unsqueeze Where Xor"""
_ML_OPERATORS = """
    ArrayFeatureExtractor Binarizer FeatureVectorizer Imputer LabelEncoder LinearClassifier
    LinearRegressor Normalizer OneHotEncoder Scaler SVMClassifier SVMRegressor TreeEnsemble
    TreeEnsembleClassifier TreeEnsembleRegressor"""
_OPERATORS = {
    "": frozenset(_MAIN_OPERATORS.split()),
    "ai.onnx.ml": frozenset(_ML_OPERATORS.split()),
}


def require_safe_graph(onnx: bytes) -> None:
    """Raise BadModel unless the bytes are a model of the kind that training exports."""
    model = _parse_model(onnx)
    _require_plain_model(model)
    _require_signature(model.graph)
    nodes = 0
    for graph in _walk_graphs(model.graph):
        _require_plain_data(graph)
        nodes += len(graph.node)
        for node in graph.node:
            _require_allowed(node, graph)
    if nodes > MAX_NODES:
        raise BadModel(f"the ONNX model has {nodes:,} nodes, more than {MAX_NODES:,}")


def _parse_model(onnx: bytes) -> ModelProto:
    from onnx import ModelProto

    model = ModelProto()
    try:
        model.ParseFromString(onnx)
    except Exception as invalid:  # protobuf's DecodeError has no types
        raise BadModel(f"the file is no ONNX model: {invalid}") from invalid
    return model


def _require_plain_model(model: ModelProto) -> None:
    if len(model.functions) or len(model.training_info):
        raise BadModel("the ONNX model has functions or training steps, which are not allowed")
    domains = {_domain(opset.domain) for opset in model.opset_import}
    if foreign := sorted(domains - set(_OPERATORS)):
        raise BadModel(f"the ONNX model uses operators of {', '.join(foreign)}; allowed: ai.onnx")


def _require_signature(graph: GraphProto) -> None:
    """Require one float32 input of rows and columns, and an output with predictions."""
    constants = {each.name for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    names, outputs = [each.name for each in inputs], [each.name for each in graph.output]
    if names != [INPUT_NAME] or not set(OUTPUT_NAMES) & set(outputs):
        raise BadModel(
            f"the ONNX model must have {INPUT_NAME} → {' or '.join(OUTPUT_NAMES)}, but has "
            f"{names} → {outputs}"
        )
    tensor = inputs[0].type.tensor_type
    if tensor.elem_type != 1 or len(tensor.shape.dim) != 2:
        raise BadModel(f"the input {INPUT_NAME} must be float32 (rows, columns)")


def _walk_graphs(graph: GraphProto, depth: int = 1) -> Iterator[GraphProto]:
    """Yield a graph and those in the attributes of its nodes."""
    if depth > _MAX_DEPTH:
        raise BadModel(f"the ONNX model has graphs in graphs, more than {_MAX_DEPTH} deep")
    yield graph
    for attribute in (each for node in graph.node for each in node.attribute):
        for inner in _inner_graphs(attribute):
            yield from _walk_graphs(inner, depth + 1)


def _inner_graphs(attribute: AttributeProto) -> list[GraphProto]:
    return [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]


def _require_plain_data(graph: GraphProto) -> None:
    """Require that all constants are dense, of bounded size, and inside the file."""
    attributes = [each for node in graph.node for each in node.attribute]
    if len(graph.sparse_initializer) or any(
        each.HasField("sparse_tensor") or len(each.sparse_tensors) for each in attributes
    ):
        raise BadModel("the ONNX model has sparse tensors, which are not allowed")
    inner = [t for each in attributes for t in (each.t, *each.tensors)]
    for tensor in (*graph.initializer, *inner):
        if tensor.data_location or len(tensor.external_data):
            raise BadModel(f"the tensor {tensor.name!r} is not in the ONNX file, but outside it")
        if any(size < 0 for size in tensor.dims) or _count_elements(tensor) > MAX_ELEMENTS:
            raise BadModel(
                f"the tensor {tensor.name!r} has the shape {list(tensor.dims)}; at most "
                f"{MAX_ELEMENTS:,} elements are allowed"
            )


def _require_allowed(node: NodeProto, graph: GraphProto) -> None:
    domain = _domain(node.domain)
    if node.op_type not in _OPERATORS.get(domain, ()):
        raise BadModel(
            f"the ONNX operator {node.op_type} of {domain or 'ai.onnx'} is not allowed. Train a "
            "model of another estimator"
        )
    if node.op_type in _EXPANDING and not domain:
        size = _expanded_size(node, graph)
        if size > _MAX_EXPANSION:
            raise BadModel(
                f"the ONNX operator {node.op_type} makes {size:,} elements of a constant; at most "
                f"{_MAX_EXPANSION:,} are allowed"
            )


def _expanded_size(node: NodeProto, graph: GraphProto) -> int:
    """Return the size that an expanding operator reads from constants; 0 if it is computed.

    A computed size depends on the rows; the trial of a foreign version bounds it.
    """
    constants = {each.name: each for each in graph.initializer}
    for other in graph.node:
        if other.op_type == "Constant":
            values = [each.t for each in other.attribute if each.name == "value"]
            constants |= {name: value for name in other.output for value in values}
    place = _EXPANDING[node.op_type]
    size = constants.get(node.input[place]) if len(node.input) > place else None
    return 0 if size is None else _read_product(size)


def _read_product(tensor: TensorProto) -> int:
    """Return the product of the absolute values in a small tensor of sizes."""
    from onnx import numpy_helper

    if _count_elements(tensor) > 64:
        return 0
    try:
        values = numpy_helper.to_array(tensor).ravel().tolist()
    except (ValueError, TypeError) as invalid:
        raise BadModel(f"the tensor {tensor.name!r} is invalid: {invalid}") from invalid
    product = 1
    for value in values:
        product *= max(1, abs(int(value))) if isinstance(value, int | float) else 1
    return product


def _count_elements(tensor: TensorProto) -> int:
    product = 1
    for size in tensor.dims:
        product *= size
    return product


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name
