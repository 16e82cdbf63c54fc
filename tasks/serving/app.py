"""ASGI application of the prediction server: routes, limits and errors of every protocol."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from configs.schema.use_case import UseCase
from tasks.serving.metrics import ServingMetrics
from tasks.serving.protocols.shape import Parse
from tasks.serving.protocols.v1 import parse_invocations, parse_v1
from tasks.serving.protocols.v2 import parse_v2
from tasks.serving.request_log import RequestLogger
from tasks.serving.row_schema import BadRequest
from tasks.serving.service import PredictionService
from tasks.serving.status_pages import StatusPages, to_json

FOLLOW_SECONDS = 0.5  # between two looks at the ledger: a promotion holds within two seconds
_RETRY_AFTER = {429: "1", 503: "1"}
_Handler = Callable[[Request], Awaitable[Response]]


def create_prediction_app(
    use_case: UseCase, clock: Callable[[], datetime], shared_metrics: str = ""
) -> Starlette:
    """Return the application that predicts one use case.

    Args:
        use_case: the use case.
        clock: returns the time of a request.
        shared_metrics: folder of the metrics of several workers; "" if there is one worker.
    """
    metrics = ServingMetrics(shared_metrics)
    plan = use_case.serving.log if use_case.serving else None
    logger = RequestLogger(use_case, plan, metrics.log_errors.inc) if plan else None
    service = PredictionService(use_case, clock, metrics, logger)
    server = _Server(service)
    app = Starlette(
        routes=[*server.list_routes(), *StatusPages(service).list_routes()],
        exception_handlers={BadRequest: _refuse, HTTPException: _refuse_path, Exception: _fail},
        lifespan=server.run,
    )
    app.state.service = service
    return app


class _Server:
    """The life of one service, and its handlers of predictions."""

    def __init__(self, service: PredictionService) -> None:
        self.service = service

    def list_routes(self) -> list[Route]:
        """Return the routes of predictions in all protocols."""
        handlers: dict[str, _Handler] = {
            "/v1/models/{name}:predict": self._predict_with("v1", parse_v1),
            "/invocations": self._predict_with("invocations", parse_invocations),
            "/v2/models/{name}/infer": self._predict_with("v2", parse_v2),
            "/v2/models/{name}/versions/{version}/infer": self._predict_with("v2", parse_v2),
        }
        return [Route(path, handler, methods=["POST"]) for path, handler in handlers.items()]

    @asynccontextmanager
    async def run(self, _app: Starlette) -> AsyncIterator[None]:
        """Open the route before the first request, and follow the ledger until the end."""
        await asyncio.to_thread(self.service.refresh)
        follower = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            follower.cancel()
            with suppress(asyncio.CancelledError):
                await follower
            await asyncio.to_thread(self.service.close)

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

    async def _predict(self, request: Request, parse: Parse) -> Response:
        self.service.require_model(request.path_params)
        limits = self.service.limits
        body = await _read_body(request, limits.max_body_mb * 2**20, limits.timeout_seconds)
        served = self.service.require_served()
        parsed = parse(body, served.schema)
        answered = await self.service.predict(parsed.rows, served)
        return to_json(parsed.render(answered), headers={"X-Request-Id": answered.request_id})


async def _read_body(request: Request, limit: int, seconds: float) -> bytes:
    """Read the body of a request; BadRequest 413 if it is too large, 408 if it is too slow."""
    declared = request.headers.get("content-length", "")
    too_large = BadRequest(
        f"the body has more than {limit:,} bytes; send several requests", "$", 413
    )
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    if request.headers.get("inference-header-content-length"):
        raise BadRequest("binary tensors are not supported; send them as JSON", "$", 415)
    chunks, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise too_large
                chunks.append(chunk)
    except TimeoutError as late:
        raise BadRequest(f"the body did not arrive within {seconds:g} s", "$", 408) from late
    except ClientDisconnect as gone:
        raise BadRequest("the client left before the end of the body", "$", 400) from gone
    return b"".join(chunks)


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
