"""Messages of the Open Inference Protocol over gRPC, built from their fields at run time.

So neither a compiler of .proto files nor generated code is needed.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"
_PARAMETERS = "map<InferParameter> parameters"
# fields in the order of their numbers; `*` is repeated, and map<T> has texts as keys
_FIELDS = {
    "ServerLiveRequest": (),
    "ServerLiveResponse": ("bool live",),
    "ServerReadyRequest": (),
    "ServerReadyResponse": ("bool ready",),
    "ModelReadyRequest": ("string name", "string version"),
    "ModelReadyResponse": ("bool ready",),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": ("string name", "string version", "*string extensions"),
    "ModelMetadataRequest": ("string name", "string version"),
    "TensorMetadata": ("string name", "string datatype", "*int64 shape"),
    "ModelMetadataResponse": (
        "string name", "*string versions", "string platform", "*TensorMetadata inputs",
        "*TensorMetadata outputs",
    ),
    "InferParameter": (
        "?bool bool_param", "?int64 int64_param", "?string string_param", "?double double_param",
        "?uint64 uint64_param",
    ),
    "InferTensorContents": (
        "*bool bool_contents", "*int32 int_contents", "*int64 int64_contents",
        "*uint32 uint_contents", "*uint64 uint64_contents", "*float fp32_contents",
        "*double fp64_contents", "*bytes bytes_contents",
    ),
    "InferInputTensor": (
        "string name", "string datatype", "*int64 shape", _PARAMETERS,
        "InferTensorContents contents",
    ),
    "InferRequestedOutputTensor": ("string name", _PARAMETERS),
    "ModelInferRequest": (
        "string model_name", "string model_version", "string id", _PARAMETERS,
        "*InferInputTensor inputs", "*InferRequestedOutputTensor outputs",
        "*bytes raw_input_contents",
    ),
    "InferOutputTensor": (
        "string name", "string datatype", "*int64 shape", _PARAMETERS,
        "InferTensorContents contents",
    ),
    "ModelInferResponse": (
        "string model_name", "string model_version", "string id", _PARAMETERS,
        "*InferOutputTensor outputs", "*bytes raw_output_contents",
    ),
}  # fmt: skip


@cache
def find_message(name: str) -> Any:  # noqa: ANN401
    """Return the class of a message."""
    return message_factory.GetMessageClass(_build_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@cache
def _build_pool() -> descriptor_pool.DescriptorPool:
    """Return the messages in a pool of their own: a client in the process may have its own."""
    file = descriptor_pb2.FileDescriptorProto(
        name="open_inference.proto", package=PACKAGE, syntax="proto3"
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, text in enumerate(fields, start=1):
            _add_field(message, number, text)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add_field(message: Any, number: int, text: str) -> None:  # noqa: ANN401
    kind, name = text.split()
    field = message.field.add(name=name, number=number, label=_label(kind))
    if kind.startswith("?"):
        if not message.oneof_decl:
            message.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    if kind.startswith("map<"):
        entry = message.nested_type.add(name="ParametersEntry")
        entry.options.map_entry = True
        _add_field(entry, 1, "string key")
        _add_field(entry, 2, f"{kind[4:-1]} value")
        kind = f"*{message.name}.{entry.name}"
    _set_type(field, kind.lstrip("*?"))


def _label(kind: str) -> Any:  # noqa: ANN401
    labels = descriptor_pb2.FieldDescriptorProto
    return labels.LABEL_REPEATED if kind.startswith(("*", "map<")) else labels.LABEL_OPTIONAL


def _set_type(field: Any, kind: str) -> None:  # noqa: ANN401
    types = descriptor_pb2.FieldDescriptorProto
    if kind[0].isupper():
        field.type, field.type_name = types.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    else:
        field.type = getattr(types, f"TYPE_{kind.upper()}")
