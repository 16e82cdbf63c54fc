"""Routes on which callers write: feedback on predictions, and rows of tables."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tasks.serving.received.feedback import FeedbackLog, parse_feedback
from tasks.serving.received.pushed_rows import PushedRowsLog
from tasks.serving.request_body import read_body
from tasks.serving.row_schema import BadRequest
from tasks.serving.service import PredictionService
from tasks.serving.status_pages import to_json

_Result = TypeVar("_Result")
_ACCEPTED = 202


class WritingPages:
    """Takes feedback and rows of tables, if the YAML says so."""

    def __init__(self, service: PredictionService) -> None:
        self._service = service
        use_case, limits, on_error = (
            service.use_case, service.limits, service.metrics.log_errors.inc,
        )  # fmt: skip
        feedback, tables = limits.feedback, limits.tables
        self._feedback = FeedbackLog(use_case, feedback, on_error) if feedback else None
        self._rows = PushedRowsLog(use_case, tables, on_error) if tables else None

    def list_routes(self) -> list[Route]:
        """Return the routes that write."""
        return [
            Route("/feedback", self.take_feedback, methods=["POST"]),
            Route("/tables/{table}", self.take_rows, methods=["POST"]),
        ]

    async def take_feedback(self, request: Request) -> Response:
        """Write feedback; respond once it is on disk."""
        log = self._feedback
        if log is None:
            raise BadRequest("feedback is not taken here; set serving.feedback: {}", status=404)
        with self._service.hold_place():
            items = parse_feedback(await read_body(request, self._service.limits))
            ids = await self._write(lambda: log.write(items, self._service.clock()))
        return to_json({"ids": ids}, _ACCEPTED)

    async def take_rows(self, request: Request) -> Response:
        """Write rows of a table; respond once they are on disk."""
        log = self._rows
        if log is None:
            raise BadRequest("no table takes rows here; set serving.tables", status=404)
        table, key = request.path_params["table"], request.headers.get("idempotency-key", "")
        limits = self._service.limits
        with self._service.hold_place():
            body = await read_body(request, limits)
            rows = await self._write(
                lambda: log.write(table, body, key, self._service.clock(), limits.max_rows)
            )
        return to_json({"rows": rows}, _ACCEPTED)

    def close(self) -> None:
        """Land everything that is written."""
        for log in (self._feedback, self._rows):
            if log is not None:
                log.close()

    async def _write(self, write: Callable[[], _Result]) -> _Result:
        """Write in a thread; raise BadRequest 503 if the disk does not take it."""
        work: Awaitable[_Result] = asyncio.to_thread(write)
        try:
            return await work
        except OSError as error:
            self._service.metrics.log_errors.inc()
            raise BadRequest(f"it cannot be written now: {error.strerror}", status=503) from error
