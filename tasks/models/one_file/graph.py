"""ONNX graph of a one-file model: from raw columns to value and decision."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from configs.errors import BadModel
from tasks.models.card import ModelCard
from tasks.models.one_file.inputs import BLOCKS, MISSING_CATEGORY, Layout, is_vector
from tasks.models.one_file.outputs import OutputNames, find_output_names
from tasks.models.onnx_graph import OUTPUT_NAMES

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

_PANDAS_NULLS = frozenset({"None", "nan", "<NA>"})
_DOMAINS = {"": 18, "ai.onnx.ml": 3}  # least versions: LabelEncoder knows floats from 3 on
_IR_VERSION = 8
_FLOAT, _STRING, _BOOL, _DOUBLE = 1, 8, 9, 11  # onnx.TensorProto's types


def build_one_file(onnx: bytes, card: ModelCard, layout: Layout = "columns") -> bytes:
    """Build the one-file model of a version.

    Outputs are the value, float32, and the decision: whether the row is flagged, or the name of
    its class. Both are (rows, 1), the probabilities of classes (rows, classes); in the layout
    `vectors` each is (rows,). Numbers are float32 and null is NaN; categories are text and null is
    MISSING_CATEGORY. Equal to the registered file to the bit on one thread.

    Args:
        onnx: the registered file.
        card: its model card.
        layout: of the inputs.

    Raises:
        BadModel: a vocabulary has the text that stands for a missing category.
    """
    from onnx import ModelProto, checker

    model = ModelProto.FromString(onnx)
    built = _Builder(model, card, layout).build()
    checker.check_model(built, full_check=True)
    return bytes(built.SerializeToString())


class _Builder:
    """The nodes of one graph as they are made."""

    def __init__(self, model: ModelProto, card: ModelCard, layout: Layout) -> None:
        self.model, self.card, self.layout = model, card, layout
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    @cached_property
    def prefix(self) -> str:
        """The start of every internal name; no input begins with it."""
        prefix = "model/"
        while any(name.startswith(prefix) for name in (*self.card.inputs.inputs, *BLOCKS)):
            prefix = f"_{prefix}"
        return prefix

    def build(self) -> ModelProto:
        """Return the whole model."""
        from onnx import compose, helper

        registered = compose.add_prefix(self.model, self.prefix)
        self._encode_inputs(registered.graph.input[0].name)
        self.nodes.extend(registered.graph.node)
        self.constants.extend(registered.graph.initializer)
        outputs = self._decide(registered.graph)
        graph = helper.make_graph(
            self.nodes, self.card.use_case, self._list_inputs(), outputs, self.constants
        )
        version = max(_IR_VERSION, self.model.ir_version)
        built = helper.make_model(graph, opset_imports=self._list_opsets(), ir_version=version)
        helper.set_model_props(built, self._describe())
        return built

    def _add(self, operator: str, inputs: Iterable[str], output: str, **attributes: object) -> str:
        """Add a node; return the name of its output."""
        from onnx import helper

        domain = "ai.onnx.ml" if operator == "LabelEncoder" else ""
        is_output = output in (*self._outputs.values, self._outputs.decision)
        name = output if is_output else f"{self.prefix}{output}"
        node = helper.make_node(operator, [*inputs], [name], name, domain=domain, **attributes)
        self.nodes.append(node)
        return name

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"{self.prefix}{name}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    @cached_property
    def _outputs(self) -> OutputNames:
        return find_output_names(self.card, self.layout)

    def _list_inputs(self) -> list[ValueInfoProto]:
        schema = self.card.inputs
        kinds = {_FLOAT: schema.numeric, _STRING: schema.categorical}
        if self.layout == "blocks":
            blocks = zip(BLOCKS, kinds.items(), strict=True)
            return [
                _make_info(n, kind, ["rows", len(names)]) for n, (kind, names) in blocks if names
            ]
        shape = ["rows"] if is_vector(schema, self.layout) else ["rows", 1]
        return [_make_info(name, kind, shape) for kind, names in kinds.items() for name in names]

    def _encode_inputs(self, matrix: str) -> None:
        """Add the nodes from the raw columns to the matrix of the registered file."""
        schema = self.card.inputs
        parts = [self._clean_numbers(schema.numeric)] if schema.numeric else []
        for place, name in enumerate(schema.categorical):
            parts.append(self._encode_category(place, name, schema.vocabulary[name]))
        self.nodes.append(_make_concat(parts, matrix))

    def _clean_numbers(self, names: Sequence[str]) -> str:
        """Return the numbers (rows, names), with NaN for infinite ones."""
        numbers = BLOCKS[0] if self.layout == "blocks" else self._join_columns(names)
        infinite = self._add("IsInf", [numbers], "numbers_infinite")
        missing = self._constant("nan", np.array(np.nan, dtype=np.float32))
        return self._add("Where", [infinite, missing, numbers], "numbers_clean")

    def _join_columns(self, names: Sequence[str]) -> str:
        columns = [self._to_column(name, f"number_{place}") for place, name in enumerate(names)]
        joined = f"{self.prefix}numbers"
        self.nodes.append(_make_concat(columns, joined))
        return joined

    def _to_column(self, name: str, output: str) -> str:
        """Return a named input as a tensor (rows, 1)."""
        if self.layout == "columns":
            return name
        shape = self._constant(f"{output}_shape", np.array([-1, 1], dtype=np.int64))
        return self._add("Reshape", [name, shape], output)

    def _encode_category(self, place: int, name: str, vocabulary: Sequence[str]) -> str:
        """Return the codes (rows, 1) of a category: unknown is n, missing is n + 1."""
        if MISSING_CATEGORY in vocabulary:
            raise BadModel(
                f"{self.card.use_case}: the input {name!r} has the value {MISSING_CATEGORY!r}, "
                "which stands for a missing value in a one-file model. Replace it in the data"
            )
        missing = [MISSING_CATEGORY, *self._list_other_nulls(vocabulary)]
        keys = [*vocabulary, *missing]
        codes = [*range(len(vocabulary)), *[len(vocabulary) + 1] * len(missing)]
        if self.layout == "blocks":
            column = self._constant(f"place_{place}", np.array([place], dtype=np.int64))
            text = self._add("Gather", [BLOCKS[1], column], f"text_{place}", axis=1)
        else:
            text = self._to_column(name, f"text_{place}")
        mapping = {"keys_strings": keys, "values_floats": [float(code) for code in codes]}
        unknown = float(len(vocabulary))
        return self._add("LabelEncoder", [text], f"code_{place}", **mapping, default_float=unknown)

    def _list_other_nulls(self, vocabulary: Sequence[str]) -> list[str]:
        """Return the texts that a null of pandas becomes on its way into ONNX Runtime."""
        return sorted(_PANDAS_NULLS - {*vocabulary}) if self.layout == "vectors" else []

    def _decide(self, graph: GraphProto) -> list[ValueInfoProto]:
        """Add the nodes from the registered output to value and decision; return the outputs."""
        names = {f"{self.prefix}{name}" for name in OUTPUT_NAMES}
        registered = next(output.name for output in graph.output if output.name in names)
        is_matrix = self.card.kind == "multiclass"
        width = len(self.card.classes) if is_matrix else 1
        first = 0 if is_matrix else -1  # of two classes the event comes last
        shape: list[str | int] = ["rows"] if self.layout == "vectors" else ["rows", 1]
        values = self._outputs.values
        if is_matrix and len(values) == 1:
            self._add("Identity", [registered], values[0])
            outputs = [_make_info(values[0], _FLOAT, ["rows", width])]
        else:
            for place, value in enumerate(values, first):
                self._add("Gather", [registered, self._place(place)], value, axis=1)
            outputs = [_make_info(value, _FLOAT, shape) for value in values]
        if decision := self._outputs.decision:
            source = registered if is_matrix else values[0]
            exact = self._add("Cast", [source], "value_double", to=_DOUBLE)
            decide = self._name_cheapest if is_matrix else self._flag
            decided = decide(exact, decision)
            outputs.append(_make_info(decision, decided, shape))
        return outputs

    def _place(self, column: int) -> str:
        """Return the place of a column; a scalar takes its axis away."""
        place: Any = column if self.layout == "vectors" else [column]
        return self._constant(f"value_{column}", np.array(place, dtype=np.int64))

    def _flag(self, value: str, decision: str) -> int:
        """Flag rows from the threshold on, in double as batch scoring does."""
        threshold = self._constant("threshold", np.array(self.card.threshold, dtype=np.float64))
        self._add("GreaterOrEqual", [value, threshold], decision)
        return _BOOL

    def _name_cheapest(self, value: str, decision: str) -> int:
        """Name the class of least expected cost."""
        prices = self._constant("prices", np.array(self.card.threshold, dtype=np.float64))
        costs = self._add("MatMul", [value, prices], "costs")
        keep = int(self.layout != "vectors")
        code = self._add("ArgMin", [costs], "decided_code", axis=1, keepdims=keep)
        classes = [*self.card.classes]
        mapping = {"keys_int64s": [*range(len(classes))], "values_strings": classes}
        self._add("LabelEncoder", [code], decision, **mapping)
        return _STRING

    def _list_opsets(self) -> list[Any]:
        from onnx import helper

        opsets = self.model.opset_import
        theirs = {"" if o.domain == "ai.onnx" else o.domain: o.version for o in opsets}
        return [
            helper.make_opsetid(domain, max(least, theirs.get(domain, 0)))
            for domain, least in _DOMAINS.items()
        ]

    def _describe(self) -> dict[str, str]:
        """Return what the file says of itself."""
        card = self.card
        return {
            "use_case": card.use_case,
            "digest": card.digest,
            "layout": self.layout,
            "kind": card.kind,
            "numeric": json.dumps(card.inputs.numeric),
            "categorical": json.dumps(card.inputs.categorical),
            "classes": json.dumps(card.classes),
            "threshold": json.dumps(card.threshold),
            "missing_category": MISSING_CATEGORY,
        }


def _make_concat(parts: Sequence[str], output: str) -> NodeProto:
    from onnx import helper

    return helper.make_node("Concat", [*parts], [output], output, axis=1)


def _make_info(name: str, kind: int, shape: Sequence[object]) -> ValueInfoProto:
    from onnx import helper

    return helper.make_tensor_value_info(name, kind, shape)
