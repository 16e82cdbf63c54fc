"""One prediction service behind every protocol: limits, prediction, log and metrics."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from configs.errors import Transient
from configs.schema.serving import Serving
from configs.schema.use_case import UseCase
from tasks.features.online_read import OnlineReader
from tasks.serving.metrics import ServingMetrics
from tasks.serving.predictor import (
    ChampionFailed,
    RequestPredictions,
    ServedRoute,
    list_services,
    needs_online_features,
    predict_request,
)
from tasks.serving.request_log import LoggedRequest, RequestLogger
from tasks.serving.route_keeper import RouteKeeper
from tasks.serving.row_schema import BadRequest
from tasks.serving.version_tally import VersionTally

_logger = logging.getLogger(__name__)
_INLINE_ROWS = 64  # so many rows take less time than the hand-over to a thread and back
_THREADS = 16


@dataclass(frozen=True)
class AnsweredRequest:
    """A predicted request: its id, the route that predicted it, and the predictions."""

    request_id: str
    served: ServedRoute
    predicted: RequestPredictions


class PredictionService:
    """Predicts requests by the route of the ledger, within the limits of the YAML."""

    def __init__(
        self,
        use_case: UseCase,
        clock: Callable[[], datetime],
        metrics: ServingMetrics,
        logger: RequestLogger | None,
    ) -> None:
        self.use_case, self.clock, self.metrics, self.logger = use_case, clock, metrics, logger
        self.limits = use_case.serving or Serving()
        self.keeper, self.is_closed = RouteKeeper(use_case), False
        self.tally = VersionTally()
        self._reader = OnlineReader(use_case)
        self._threads = ThreadPoolExecutor(_THREADS, "predict")
        self._in_threads = 0
        self._in_flight = 0

    @contextmanager
    def hold_place(self) -> Iterator[None]:
        """Hold a place among the requests at a time; raise BadRequest 429 if there is none."""
        if self._in_flight >= self.limits.max_concurrency:
            raise BadRequest(
                f"{self._in_flight} requests are at work, as many as `serving.max_concurrency` "
                "allows; send it again",
                status=429,
            )
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    def require_model(self, named: Mapping[str, str]) -> None:
        """Raise BadRequest 404 unless a path names the model, and the version that serves."""
        name, version = named.get("name"), named.get("version")
        if name not in (None, self.use_case.name):
            raise BadRequest(
                f"model {name!r} not found; this server has {self.use_case.name}", status=404
            )
        if version is not None and version != str(self.require_served().route.champion):
            raise BadRequest(f"version {version!r} is not the champion", status=404)

    def require_served(self) -> ServedRoute:
        """Return the route that serves; raise BadRequest 503 before there is one."""
        if self.keeper.served is None:
            reason = "; ".join(self.keeper.problems) or "it has no champion yet"
            raise BadRequest(f"{self.use_case.name} cannot predict now: {reason}", status=503)
        return self.keeper.served

    def refresh(self) -> None:
        """Follow the ledger; whatever goes wrong, the route that serves stays."""
        try:
            if self.keeper.refresh(self.clock()) and self.keeper.served is not None:
                self._reader.prepare(list_services(self.keeper.served))
        except Exception:
            _logger.exception("the ledger of %s could not be followed", self.use_case.name)
        self.metrics.problems.set(len(self.keeper.problems))
        if self.keeper.served is not None:
            self.metrics.champion.set(self.keeper.served.route.champion)

    async def predict(self, rows: Sequence[Any], served: ServedRoute) -> AnsweredRequest:
        """Predict typed rows of a request by the route whose schema they have, and log it."""
        started, request_id, moment = time.perf_counter(), os.urandom(16).hex(), self.clock()
        if len(rows) > self.limits.max_rows:
            raise BadRequest(
                f"{len(rows)} rows are more than `serving.max_rows`, {self.limits.max_rows}; "
                "send several requests",
                "$",
                413,
            )
        columns = served.schema.to_columns(rows)
        try:
            predicted = await self._predict(served, columns, len(rows), moment)
        except Transient as error:
            raise BadRequest(str(error), status=503) from error
        self.metrics.count_predictions(predicted)
        if self.logger is not None:
            seconds = time.perf_counter() - started
            logged = LoggedRequest(request_id, moment, served, predicted, seconds)
            try:
                self.logger.write(logged)
            except OSError as error:  # no prediction leaves that the log does not have
                self.metrics.log_errors.inc()
                message = f"the request cannot be logged now: {error.strerror}"
                raise BadRequest(message, status=503) from error
        return AnsweredRequest(request_id, served, predicted)

    def predict_columns(
        self,
        served: ServedRoute,
        columns: Mapping[str, Sequence[Any]],
        moment: datetime,
    ) -> RequestPredictions:
        """Predict rows in this thread, and count errors and times of each version.

        Args:
            served: the route.
            columns: fields of the rows by name.
            moment: time of the request.
        """
        try:
            predicted = predict_request(
                self.use_case, served, columns, moment, self._reader,
                self.limits.on_missing_features,
            )  # fmt: skip
        except ChampionFailed as failed:
            self.tally.count_request(failed.seconds, failed.errors)
            raise
        self.tally.count_request(predicted.seconds, predicted.errors)
        return predicted

    async def _predict(
        self,
        served: ServedRoute,
        columns: Mapping[str, Sequence[Any]],
        count: int,
        moment: datetime,
    ) -> RequestPredictions:
        def work() -> RequestPredictions:
            return self.predict_columns(served, columns, moment)

        if count <= _INLINE_ROWS and not needs_online_features(served, columns):
            return work()
        if self._in_threads >= self.limits.max_concurrency:
            raise BadRequest("the online store does not respond in time", status=503)
        self._in_threads += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(self._leave_thread)
        try:
            async with asyncio.timeout(self.limits.timeout_seconds):
                return await asyncio.shield(future)
        except TimeoutError as late:
            future.cancel()  # a thread that has begun ends by itself
            seconds = self.limits.timeout_seconds
            raise BadRequest(f"not predicted within {seconds:g} s", status=503) from late

    def _leave_thread(self, future: asyncio.Future[RequestPredictions]) -> None:
        self._in_threads -= 1
        if not future.cancelled():
            future.exception()  # read, so that a late failure is not reported as lost

    def close(self) -> None:
        """Write down what is logged; no request follows."""
        self.is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self.logger is not None:
            self.logger.close()
