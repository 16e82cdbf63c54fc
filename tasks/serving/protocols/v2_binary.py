"""Binary tensor data of the Open Inference Protocol: values that follow the JSON of a body.

The header `Inference-Header-Content-Length` has the length of the JSON. A tensor's parameter
`binary_data_size` has the length of its values: little-endian, texts each after their length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from tasks.serving.protocols.shape import decode_json
from tasks.serving.protocols.v2_tensors import InferRequest, InputTensor
from tasks.serving.row_schema import BadRequest

LENGTH_HEADER = "Inference-Header-Content-Length"
_SIZE = "binary_data_size"
_DTYPES: Mapping[str, str] = {
    "BOOL": "?", "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "UINT8": "<u1",
    "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "FP16": "<f2", "FP32": "<f4",
    "FP64": "<f8",
}  # fmt: skip


@dataclass(frozen=True)
class BinaryBody:
    """A response of JSON and the values of its tensors after it."""

    header: bytes
    values: bytes

    @property
    def content(self) -> bytes:
        """The whole body."""
        return self.header + self.values

    @property
    def headers(self) -> dict[str, str]:
        """The header that says where the values begin."""
        return {LENGTH_HEADER: str(len(self.header))}


def decode_binary(body: bytes, length: str) -> InferRequest:
    """Return a request whose tensors have their values as lists.

    Args:
        body: JSON, and the values after it.
        length: of the JSON, as the header says.

    Raises:
        BadRequest: a length or a value does not fit.
    """
    if not length.isdecimal() or int(length[:12]) > len(body):
        raise BadRequest(f"{LENGTH_HEADER} {length!r:.20} is not a length within the body", "$")
    end = int(length)
    request: InferRequest = decode_json(body[:end], InferRequest)
    for place, tensor in enumerate(request.inputs):
        size = (tensor.parameters or {}).get(_SIZE)
        if size is None:
            continue
        path = f"$.inputs[{place}]"
        if type(size) is not int or not 0 <= size <= len(body) - end:
            raise BadRequest(f"{_SIZE} is beyond the body", f"{path}.parameters.{_SIZE}")
        tensor.data = decode_values(tensor, body[end : end + size], path)
        end += size
    if end != len(body):
        raise BadRequest(f"{len(body) - end} bytes belong to no tensor", "$")
    return request


def encode_binary(content: dict[str, Any], names: set[str]) -> BinaryBody:
    """Return a response with the values of some outputs after the JSON.

    Args:
        content: the response; its outputs have `data`.
        names: outputs whose values follow.
    """
    parts, outputs = [], []
    for output in content["outputs"]:
        if output["name"] not in names:
            outputs.append(output)
            continue
        values = encode_values(output["datatype"], output["data"])
        plain = {name: value for name, value in output.items() if name != "data"}
        outputs.append({**plain, "parameters": {_SIZE: len(values)}})
        parts.append(values)
    return BinaryBody(msgspec.json.encode({**content, "outputs": outputs}), b"".join(parts))


def find_binary_outputs(request: InferRequest, names: Sequence[str]) -> set[str]:
    """Return the outputs whose values a request wants in binary."""
    default = bool((request.parameters or {}).get("binary_data_output"))
    wanted = dict.fromkeys(names, default)
    for output in request.outputs or ():
        wanted[output.name] = bool((output.parameters or {}).get("binary_data", default))
    return {name for name, is_binary in wanted.items() if is_binary}


def decode_values(tensor: InputTensor, content: bytes, path: str) -> list[Any]:
    """Return the values of a tensor; NaN is a missing value."""
    if tensor.datatype == "BYTES":
        return list(_split_texts(content, path))
    dtype = _DTYPES.get(tensor.datatype)
    if dtype is None:
        raise BadRequest(f"datatype {tensor.datatype!r:.40} is unknown", f"{path}.datatype")
    if len(content) % np.dtype(dtype).itemsize:
        raise BadRequest(
            f"{len(content)} bytes are no whole number of {tensor.datatype} values", f"{path}.data"
        )
    values = np.frombuffer(content, dtype)
    if dtype == "?" and (np.frombuffer(content, np.uint8) > 1).any():
        raise BadRequest("a BOOL value is neither 0 nor 1", f"{path}.data")
    if values.dtype.kind == "f":
        if np.isinf(values).any():
            raise BadRequest(
                "a value is infinite", f"{path}.data[{int(np.isinf(values).argmax())}]"
            )
        return [None if value != value else value for value in values.tolist()]
    return values.tolist()  # type: ignore[no-any-return]


def _split_texts(content: bytes, path: str) -> Iterator[str]:
    start = 0
    while start < len(content):
        head = content[start : start + 4]
        length = struct.unpack("<I", head)[0] if len(head) == 4 else len(content)
        text = content[start + 4 : start + 4 + length]
        if len(text) < length:
            raise BadRequest("a text is longer than the tensor", f"{path}.data")
        try:
            yield text.decode()
        except UnicodeDecodeError as invalid:
            raise BadRequest("a text is not UTF-8", f"{path}.data") from invalid
        start += 4 + length


def encode_values(datatype: str, values: Sequence[Any]) -> bytes:
    """Return the values of a tensor in binary."""
    if datatype != "BYTES":
        return np.asarray(values, _DTYPES[datatype]).tobytes()
    texts = [str(value).encode() for value in values]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)
