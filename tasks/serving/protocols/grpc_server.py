"""Open Inference Protocol (V2) over gRPC: the same rows and responses as over REST.

It needs the package grpcio, which the extra `grpc` installs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from configs.errors import BadConfig
from tasks.serving.protocols.grpc_messages import SERVICE, find_message
from tasks.serving.protocols.v2 import (
    build_response,
    describe_inputs,
    describe_outputs,
    parse_tensors,
)
from tasks.serving.protocols.v2_binary import decode_values, encode_values
from tasks.serving.protocols.v2_tensors import InferRequest, InputTensor, RequestedOutput
from tasks.serving.row_schema import BadRequest
from tasks.serving.service import PredictionService

_CODES = {
    401: "UNAUTHENTICATED", 404: "NOT_FOUND", 413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE",
}  # fmt: skip
_CONTENTS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents",
    "INT32": "int_contents", "INT64": "int64_contents", "UINT8": "uint_contents",
    "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
_Method = Callable[[Any], Awaitable[Any]]


class GrpcServer:
    """A gRPC server of one prediction service; `start` and `stop` are its life."""

    def __init__(
        self, service: PredictionService, address: str, is_allowed: Callable[[str], bool]
    ) -> None:
        """Make the server.

        Args:
            service: predicts.
            address: host and port to listen on.
            is_allowed: whether the value of an authorization header lets a caller in.

        Raises:
            BadConfig: grpcio is not installed.
        """
        self._service, self._address, self._is_allowed = service, address, is_allowed
        self._grpc = _import_grpc()
        self._server: Any = None

    async def start(self) -> None:
        """Begin to listen."""
        limit = self._service.limits.max_body_mb * 2**20
        options = [("grpc.max_receive_message_length", limit)]
        self._server = self._grpc.aio.server(options=options)
        methods: dict[str, _Method] = {
            "ServerLive": self._show_live, "ServerReady": self._show_ready,
            "ModelReady": self._show_model_ready, "ServerMetadata": self._show_server,
            "ModelMetadata": self._show_model, "ModelInfer": self._infer,
        }  # fmt: skip
        handlers = {name: self._build_handler(name, method) for name, method in methods.items()}
        generic = self._grpc.method_handlers_generic_handler(SERVICE, handlers)
        self._server.add_generic_rpc_handlers((generic,))
        if not self._server.add_insecure_port(self._address):
            raise BadConfig(f"gRPC cannot listen on {self._address}; choose another --grpc-port")
        await self._server.start()

    async def stop(self) -> None:
        """Let the requests that are at work end."""
        if self._server is not None:
            await self._server.stop(grace=30)

    def _build_handler(self, name: str, method: _Method) -> Any:  # noqa: ANN401
        """Return the handler of a method: token, then the method, then errors as statuses."""

        async def handle(request: Any, context: Any) -> Any:  # noqa: ANN401
            metadata = dict(context.invocation_metadata() or ())
            try:
                if name.startswith("Model") and not self._is_allowed(
                    str(metadata.get("authorization", ""))
                ):
                    raise BadRequest("the token is missing or not valid", status=401)
                return await method(request)
            except BadRequest as refused:
                code = getattr(
                    self._grpc.StatusCode, _CODES.get(refused.status, "INVALID_ARGUMENT")
                )
                field = f"{refused.field}: " if refused.field else ""
                await context.abort(code, f"{field}{refused.message}")

        return self._grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=find_message(f"{name}Request").FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    async def _show_live(self, _request: Any) -> Any:  # noqa: ANN401
        return find_message("ServerLiveResponse")(live=True)

    async def _show_ready(self, _request: Any) -> Any:  # noqa: ANN401
        ready = self._service.keeper.served is not None and not self._service.is_closed
        return find_message("ServerReadyResponse")(ready=ready)

    async def _show_model_ready(self, request: Any) -> Any:  # noqa: ANN401
        self._require_model(request.name, request.version)
        ready = self._service.keeper.served is not None
        return find_message("ModelReadyResponse")(ready=ready)

    async def _show_server(self, _request: Any) -> Any:  # noqa: ANN401
        return find_message("ServerMetadataResponse")(name="mainspring", version="1")

    async def _show_model(self, request: Any) -> Any:  # noqa: ANN401
        self._require_model(request.name, request.version)
        served = self._service.require_served()
        response = find_message("ModelMetadataResponse")(
            name=request.name,
            versions=[str(served.route.champion)],
            platform="onnxruntime_onnx",
        )
        for tensor in describe_inputs(served.schema):
            response.inputs.add(**tensor)
        for tensor in describe_outputs(served):
            response.outputs.add(**tensor)
        return response

    async def _infer(self, message: Any) -> Any:  # noqa: ANN401
        service = self._service
        self._require_model(message.model_name, message.model_version)
        with service.hold_place():
            served = service.require_served()
            request = _read_request(message)
            parsed = parse_tensors(request, served.schema)
            answered = await service.predict(parsed.rows, served)
        return _write_response(build_response(answered, request))

    def _require_model(self, name: str, version: str) -> None:
        named = {"name": name, **({"version": version} if version else {})}
        self._service.require_model(named)


def _import_grpc() -> Any:  # noqa: ANN401
    try:
        import grpc
        import grpc.aio
    except ImportError as missing:
        raise BadConfig("gRPC needs grpcio; run pip install 'mainspring[grpc]'") from missing
    return grpc


def _read_request(message: Any) -> InferRequest:  # noqa: ANN401
    """Return a request with the values of its tensors as lists."""
    raw = list(message.raw_input_contents)
    if raw and len(raw) != len(message.inputs):
        raise BadRequest(
            f"{len(raw)} raw contents, but {len(message.inputs)} inputs", "$.raw_input_contents"
        )
    inputs = []
    for place, tensor in enumerate(message.inputs):
        each = InputTensor(tensor.name, list(tensor.shape), tensor.datatype)
        path = f"$.inputs[{place}]"
        each.data = decode_values(each, raw[place], path) if raw else _read_contents(tensor, path)
        inputs.append(each)
    outputs = [RequestedOutput(output.name) for output in message.outputs]
    return InferRequest(inputs, message.id or None, None, outputs or None)


def _read_contents(tensor: Any, path: str) -> list[Any]:  # noqa: ANN401
    name = _CONTENTS.get(tensor.datatype)
    if name is None:
        raise BadRequest(f"datatype {tensor.datatype!r:.40} is unknown", f"{path}.datatype")
    values = list(getattr(tensor.contents, name))
    try:
        if tensor.datatype == "BYTES":
            return [value.decode() for value in values]
    except UnicodeDecodeError as invalid:
        raise BadRequest("a text is not UTF-8", f"{path}.contents") from invalid
    return [None if value != value else value for value in values]  # NaN is missing


def _write_response(content: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return a response with raw contents, as clients of Triton and KServe read them."""
    response = find_message("ModelInferResponse")(
        model_name=content["model_name"], model_version=content["model_version"], id=content["id"]
    )
    for name, value in content["parameters"].items():
        response.parameters[name].string_param = value
    for output in content["outputs"]:
        response.outputs.add(
            name=output["name"], datatype=output["datatype"], shape=output["shape"]
        )
        response.raw_output_contents.append(encode_values(output["datatype"], output["data"]))
    return response
