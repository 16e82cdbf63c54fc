"""Predictions of events: rows from JSON, one batch through the predictor, answers as JSON.

An event that cannot be predicted is rejected with its reason. If a batch fails, it is halved until
the events that fail are alone, so they take no others with them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

import msgspec

from configs.errors import Transient
from tasks.serving.predictor import ChampionFailed, MissingFeatures, ServedRoute, StoreUnavailable
from tasks.serving.protocols.shape import MALFORMED, list_records
from tasks.serving.request_log import LoggedRequest
from tasks.serving.row_schema import BadRequest, RowSchema, to_bad_request
from tasks.serving.service import AnsweredRequest, PredictionService
from tasks.streaming.broker import StreamEvent, StreamResult

_Typed = tuple[StreamEvent, Any]


class LogUnavailable(Transient):
    """The request log cannot be written, so no answer may leave."""


class EventPredictor:
    """Predicts batches of events by the route of one service."""

    def __init__(self, service: PredictionService, stream: str, most_deliveries: int) -> None:
        """Predict events of a stream.

        Args:
            service: route, features, request log and counters.
            stream: its name, which makes the ids of events unique in the log.
            most_deliveries: an event that was delivered more often is rejected.
        """
        self._service, self._stream, self._most = service, stream, most_deliveries

    def predict(
        self, events: Sequence[StreamEvent], served: ServedRoute, moment: datetime
    ) -> list[StreamResult]:
        """Return the result of each event, in their order.

        Args:
            events: of one batch.
            served: the route.
            moment: time of the prediction.

        Raises:
            Transient: the online store or the request log is not available now.
        """
        typed: list[_Typed] = []
        results: list[StreamResult] = []
        decode = _build_row_decoder(served.schema)
        for event in events:
            try:
                typed.append((event, self._decode(event, decode)))
            except BadRequest as invalid:
                results.append(_reject(event, invalid))
        results += self._predict_typed(typed, served, moment)
        places = {event.id: place for place, event in enumerate(events)}
        return sorted(results, key=lambda result: places[result.event.id])

    def _decode(self, event: StreamEvent, decode: Callable[[bytes], Any]) -> Any:  # noqa: ANN401
        if event.deliveries > self._most:
            raise BadRequest(
                f"delivered {event.deliveries - 1} times without an answer: it may have ended its "
                "process"
            )
        try:
            return decode(event.payload)
        except MALFORMED as invalid:
            raise to_bad_request(invalid) from invalid

    def _predict_typed(
        self, typed: Sequence[_Typed], served: ServedRoute, moment: datetime
    ) -> Iterator[StreamResult]:
        """Yield the results of decoded events; halve the batch if it fails."""
        if not typed:
            return
        try:
            yield from self._predict_batch(typed, served, moment)
        except StoreUnavailable:
            raise
        except (BadRequest, ChampionFailed, MissingFeatures) as error:
            if len(typed) == 1:
                yield _reject(typed[0][0], error)
                return
            half = len(typed) // 2
            for part in (typed[:half], typed[half:]):
                yield from self._predict_typed(part, served, moment)

    def _predict_batch(
        self, typed: Sequence[_Typed], served: ServedRoute, moment: datetime
    ) -> list[StreamResult]:
        started, service = time.perf_counter(), self._service
        columns = served.schema.to_columns([row for _, row in typed])
        predicted = service.predict_columns(served, columns, moment)
        service.metrics.count_predictions(predicted)
        if service.logger is not None:
            ids = [self._name_request(event) for event, _ in typed]
            seconds = time.perf_counter() - started
            try:
                service.logger.write(LoggedRequest("", moment, served, predicted, seconds, ids))
            except OSError as error:
                raise LogUnavailable(f"events cannot be logged now: {error.strerror}") from error
        records = list_records(AnsweredRequest("", served, predicted))
        keys = list(zip(*(columns[n] for n in service.use_case.spine.key), strict=True))
        return [
            _answer(event, dict(zip(service.use_case.spine.key, key, strict=True)), record)
            for (event, _), key, record in zip(typed, keys, records, strict=True)
        ]

    def _name_request(self, event: StreamEvent) -> str:
        """Return the id of an event in the request log, the same at each delivery."""
        return sha256(f"{self._stream}:{event.id}".encode()).hexdigest()[:32]


def _answer(event: StreamEvent, key: dict[str, Any], record: dict[str, Any]) -> StreamResult:
    encode = msgspec.json.encode
    content = encode({"id": event.id, "key": key, **record})
    return StreamResult(event, content, encode(list(key.values())))


def _reject(event: StreamEvent, error: Exception) -> StreamResult:
    field = error.field if isinstance(error, BadRequest) else None
    return StreamResult(event, None, reason=f"{field}: {error}" if field else str(error))


@lru_cache(maxsize=4)
def _build_row_decoder(schema: RowSchema) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(schema.row_type).decode
