"""ASGI application of the prediction server: routes, limits and errors of every protocol."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from configs.schema.use_case import UseCase
from tasks.serving.explanation import explain_request, require_few_rows
from tasks.serving.metrics import ServingMetrics
from tasks.serving.protocols.grpc_server import GrpcServer
from tasks.serving.protocols.shape import Parse
from tasks.serving.protocols.v1 import parse_invocations, parse_v1
from tasks.serving.protocols.v2 import parse_v2
from tasks.serving.protocols.v2_binary import LENGTH_HEADER, BinaryBody
from tasks.serving.received.pages import WritingPages
from tasks.serving.request_body import read_body
from tasks.serving.request_log import RequestLogger
from tasks.serving.row_schema import BadRequest
from tasks.serving.service import PredictionService
from tasks.serving.status_pages import StatusPages, to_json

FOLLOW_SECONDS = 0.5  # between two looks at the ledger: a promotion holds within two seconds
_RETRY_AFTER = {429: "1", 503: "1"}
_Handler = Callable[[Request], Awaitable[Response]]


def create_prediction_app(
    use_case: UseCase,
    clock: Callable[[], datetime],
    shared_metrics: str = "",
    make_grpc_server: Callable[[PredictionService], GrpcServer] | None = None,
) -> Starlette:
    """Return the application that predicts one use case.

    Args:
        use_case: the use case.
        clock: returns the time of a request.
        shared_metrics: folder of the metrics of several workers; "" if there is one worker.
        make_grpc_server: makes a gRPC server that lives as long as the application.
    """
    metrics = ServingMetrics(shared_metrics)
    plan = use_case.serving.log if use_case.serving else None
    logger = RequestLogger(use_case, plan, metrics.log_errors.inc) if plan else None
    service = PredictionService(use_case, clock, metrics, logger)
    writing = WritingPages(service)
    grpc_server = make_grpc_server(service) if make_grpc_server else None
    server = _Server(service, writing, grpc_server)
    pages = [*writing.list_routes(), *StatusPages(service).list_routes()]
    app = Starlette(
        routes=[*server.list_routes(), *pages],
        exception_handlers={BadRequest: _refuse, HTTPException: _refuse_path, Exception: _fail},
        lifespan=server.run,
    )
    app.state.service = service
    return app


class _Server:
    """The life of one service, and its handlers of predictions."""

    def __init__(
        self, service: PredictionService, writing: WritingPages, grpc_server: GrpcServer | None
    ) -> None:
        self.service, self._writing, self._grpc_server = service, writing, grpc_server

    def list_routes(self) -> list[Route]:
        """Return the routes of predictions in all protocols."""
        handlers: dict[str, _Handler] = {
            "/v1/models/{name}:predict": self._predict_with("v1", parse_v1),
            "/invocations": self._predict_with("invocations", parse_invocations),
            "/endpoints/{name}/invocations": self._predict_with("invocations", parse_invocations),
            "/v1/models/{name}:explain": self._explain,
            "/v2/models/{name}/infer": self._predict_with("v2", parse_v2),
            "/v2/models/{name}/versions/{version}/infer": self._predict_with("v2", parse_v2),
        }
        return [Route(path, handler, methods=["POST"]) for path, handler in handlers.items()]

    @asynccontextmanager
    async def run(self, _app: Starlette) -> AsyncIterator[None]:
        """Open the route before the first request, and follow the ledger until the end."""
        await asyncio.to_thread(self.service.refresh)
        follower = asyncio.create_task(self._follow())
        if self._grpc_server is not None:
            await self._grpc_server.start()
        try:
            yield
        finally:
            if self._grpc_server is not None:
                await self._grpc_server.stop()
            follower.cancel()
            with suppress(asyncio.CancelledError):
                await follower
            await asyncio.to_thread(self.service.close)
            await asyncio.to_thread(self._writing.close)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            await asyncio.to_thread(self.service.refresh)

    def _predict_with(self, protocol: str, parse: Parse) -> _Handler:
        """Return the handler of predictions in one protocol."""
        metrics, service = self.service.metrics, self.service

        async def handle(request: Request) -> Response:
            started, status = time.perf_counter(), 500
            try:
                with service.hold_place():
                    response = await self._predict(request, parse)
                status = response.status_code
            except BadRequest as refused:
                status = refused.status
                raise
            finally:
                metrics.count_request(protocol, status, time.perf_counter() - started)
            return response

        return handle

    async def _explain(self, request: Request) -> Response:
        """Predict the rows of a V1 request, and return what each input adds."""
        service = self.service
        service.require_model(request.path_params)
        with service.hold_place():
            served = service.require_served()
            parsed = parse_v1(await read_body(request, service.limits), served.schema)
            require_few_rows(parsed.rows)
            answered = await service.predict(parsed.rows, served)
            content = await asyncio.to_thread(explain_request, service.use_case, answered)
        return to_json(content, headers={"X-Request-Id": answered.request_id})

    async def _predict(self, request: Request, parse: Parse) -> Response:
        self.service.require_model(request.path_params)
        body = await read_body(request, self.service.limits)
        served = self.service.require_served()
        length = request.headers.get(LENGTH_HEADER)
        if length is not None:
            if parse is not parse_v2:
                raise BadRequest("binary tensors are for /v2 only; send JSON", "$", 415)
            parse = partial(parse_v2, header_length=length)
        parsed = parse(body, served.schema)
        answered = await self.service.predict(parsed.rows, served)
        content, headers = parsed.render(answered), {"X-Request-Id": answered.request_id}
        if isinstance(content, BinaryBody):
            headers |= content.headers
            return Response(content.content, 200, headers, "application/octet-stream")
        return to_json(content, headers=headers)


async def _refuse(_request: Request, error: Exception) -> Response:
    """Return an invalid request, or one that cannot be predicted now."""
    assert isinstance(error, BadRequest)
    content = {"error": error.message} | ({"field": error.field} if error.field else {})
    retry = _RETRY_AFTER.get(error.status)
    return to_json(content, error.status, {"Retry-After": retry} if retry else None)


async def _refuse_path(_request: Request, error: Exception) -> Response:
    """Return an unknown path or method."""
    assert isinstance(error, HTTPException)
    return to_json({"error": error.detail}, error.status_code, dict(error.headers or {}))


async def _fail(_request: Request, _error: Exception) -> Response:
    """Return an error of the server; its cause is in the server's log."""
    return to_json({"error": "the server failed; its log has the cause"}, 500)
