"""Open Inference Protocol (V2) over REST: tensors by column, in JSON or binary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from math import prod
from typing import Any, get_args

from tasks.serving.predictor import ServedRoute
from tasks.serving.protocols.shape import ParsedRequest, decode_json
from tasks.serving.protocols.v2_binary import decode_binary, encode_binary, find_binary_outputs
from tasks.serving.protocols.v2_tensors import InferRequest, InputTensor
from tasks.serving.row_schema import BadRequest, RowSchema
from tasks.serving.service import AnsweredRequest

_DATATYPES = (
    "BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP16",
    "FP32", "FP64", "BYTES",
)  # fmt: skip
_ROW = re.compile(r"\$\[(?P<row>\d+)\](\.(?P<name>.*))?", re.DOTALL)


def parse_v2(body: bytes, schema: RowSchema, header_length: str | None = None) -> ParsedRequest:
    """Read tensors into rows; null, and NaN in binary, is a missing value.

    Args:
        body: JSON, and binary values after it.
        schema: of the rows.
        header_length: length of the JSON as the header says; None without binary values.
    """
    if header_length is None:
        return parse_tensors(decode_json(body, InferRequest), schema)
    return parse_tensors(decode_binary(body, header_length), schema)


def parse_tensors(request: InferRequest, schema: RowSchema) -> ParsedRequest:
    """Return the typed rows of a request whose tensors have their values."""
    columns: dict[str, Sequence[Any]] = {}
    for place, tensor in enumerate(request.inputs):
        if tensor.name in columns:
            raise BadRequest(f"input {tensor.name!r} is there twice", f"$.inputs[{place}].name")
        columns[tensor.name] = _read_tensor(tensor, f"$.inputs[{place}]")
    if len({len(values) for values in columns.values()}) != 1:
        raise BadRequest("inputs must be some, with equal numbers of rows", "$.inputs")
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    try:
        typed = schema.convert(rows)
    except BadRequest as invalid:
        raise _locate(invalid, list(columns)) from invalid
    return ParsedRequest(typed, partial(_render_v2, request=request))


def _read_tensor(tensor: InputTensor, place: str) -> Sequence[Any]:
    if tensor.datatype not in _DATATYPES:
        raise BadRequest(
            f"datatype {tensor.datatype!r} is not one of {', '.join(_DATATYPES)}",
            f"{place}.datatype",
        )
    if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ([], [1]) or tensor.shape[0] < 0:
        raise BadRequest(f"shape {tensor.shape} is not [rows] or [rows, 1]", f"{place}.shape")
    if tensor.data is None:
        raise BadRequest("the tensor has no data", f"{place}.data")
    data = list(_flatten(tensor.data))
    if len(data) != prod(tensor.shape):
        raise BadRequest(
            f"{len(data)} values, but shape {tensor.shape} has {prod(tensor.shape)}",
            f"{place}.data",
        )
    return data


def _flatten(data: Sequence[Any]) -> Iterator[Any]:
    """Yield the values of a tensor, nested one level or flat."""
    for value in data:
        if isinstance(value, list):
            yield from value
        else:
            yield value


def _locate(invalid: BadRequest, names: Sequence[str]) -> BadRequest:
    """Return an error of a row with the path of the tensor instead."""
    match = _ROW.fullmatch(invalid.field or "")
    if match is None or match["name"] not in names:
        return BadRequest(invalid.message, "$.inputs", invalid.status)
    field = f"$.inputs[{names.index(match['name'])}].data[{match['row']}]"
    return BadRequest(invalid.message, field, invalid.status)


def _render_v2(answered: AnsweredRequest, request: InferRequest) -> object:
    content = build_response(answered, request)
    binary = find_binary_outputs(request, [output["name"] for output in content["outputs"]])
    return encode_binary(content, binary) if binary else content


def build_response(answered: AnsweredRequest, request: InferRequest) -> dict[str, Any]:
    """Return the response to a request, with the values of its outputs as lists."""
    outputs = {output["name"]: output for output in _list_output_tensors(answered)}
    wanted = [output.name for output in request.outputs or ()] or list(outputs)
    for place, name in enumerate(wanted):
        if name not in outputs:
            raise BadRequest(
                f"output {name!r} not found: {', '.join(outputs)}", f"$.outputs[{place}].name"
            )
    return {
        "model_name": answered.served.champion.card.use_case,
        "model_version": str(answered.served.route.champion),
        "id": request.id or answered.request_id,
        "parameters": {"request_id": answered.request_id},
        "outputs": [outputs[name] for name in wanted],
    }


def _list_output_tensors(answered: AnsweredRequest) -> Iterator[dict[str, Any]]:
    predicted, count = answered.predicted, len(answered.predicted.arms)
    columns: Mapping[str, list[Any]] = {
        "value": [rows.values[place] for rows, place in predicted.used],
        "decision": [rows.decisions[place] for rows, place in predicted.used],
        "arm": predicted.arms,
        "model_version": [rows.version for rows, _ in predicted.used],
        "missing_features": predicted.missing,
        "stale_features": predicted.stale,
    }
    data = list(columns.values())
    data[0] = list(_flatten(data[0]))
    outputs = zip(describe_outputs(answered.served), data, strict=True)
    for output, values in outputs:
        shape = [count, *output["shape"][1:]]
        yield {**output, "shape": shape, "data": values}


def describe_inputs(schema: RowSchema) -> list[dict[str, Any]]:
    """Return name, datatype and shape of each field of a row."""
    return [
        {"name": name, "datatype": _find_datatype(kind), "shape": [-1]}
        for name, kind in schema.fields.items()
    ]


def _find_datatype(kind: Any) -> str:  # noqa: ANN401
    kinds = set(get_args(kind) or (kind,)) - {type(None)}
    if float in kinds:
        return "BYTES" if str in kinds else "FP64"
    first = kinds.pop()
    return {bool: "BOOL", int: "INT64", str: "BYTES", datetime: "BYTES"}[first]


def describe_outputs(served: ServedRoute) -> list[dict[str, Any]]:
    """Return name, datatype and shape of each output."""
    card = served.champion.card
    decision = {"binary": "BOOL", "multiclass": "BYTES"}.get(card.kind, "FP64")
    width = [len(card.classes)] if card.kind == "multiclass" else []
    types = {
        served.champion.problem_type.value_column: "FP64",
        "decision": decision,
        "arm": "BYTES",
        "model_version": "INT64",
        "missing_features": "INT64",
        "stale_features": "INT64",
    }
    return [
        {"name": name, "datatype": kind, "shape": [-1, *([] if place else width)]}
        for place, (name, kind) in enumerate(types.items())
    ]
