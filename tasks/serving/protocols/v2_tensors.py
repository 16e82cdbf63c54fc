"""Tensors of the Open Inference Protocol: the types of a request's JSON."""

from __future__ import annotations

from typing import Any

import msgspec


class InputTensor(msgspec.Struct):
    """A column of a request: shape [rows] or [rows, 1]; without data if its values are binary."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Any] | None = None


class RequestedOutput(msgspec.Struct):
    """An output that a request names."""

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct):
    """The body of a request."""

    inputs: list[InputTensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[RequestedOutput] | None = None
