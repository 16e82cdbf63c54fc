"""Requests of one row, all inputs given: through uvicorn's HTTP protocol, without a socket."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import polars as pl
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tests.benchmarks import years
from tests.benchmarks.stages.model import inputs_of
from tests.benchmarks.work import Answer, Work, keep_metrics_apart

MOST = 20_000  # requests
PATH = "/v1/models/flights:predict"
App = Any


def ours(rows: int) -> Work:
    """The prediction server without a request log."""
    return _serve(rows, _create_ours({}))


def logged(rows: int) -> Work:
    """The prediction server with every request in the log."""
    return _serve(rows, _create_ours({"log": {}}))


def bare(rows: int) -> Work:
    """An ASGI function that parses the same JSON and calls ONNX Runtime."""
    from tasks.models.one_file.export import export_one_file
    from tasks.models.onnx_session import start_session
    from tasks.models.registry import open_model

    model = open_model(years.NAME, 1)
    session, inputs = start_session(export_one_file(model, "blocks").onnx), model.card.inputs

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        row = msgspec.json.decode((await receive())["body"])["instances"][0]
        numbers = np.array([[row[name] for name in inputs.numeric]], dtype=np.float32)
        texts = np.array([[row[name] for name in inputs.categorical]], dtype=object)
        value, decision = session.run(None, {"numeric": numbers, "categorical": texts})
        record = {"probability": float(value[0, 0]), "decision": bool(decision[0, 0])}
        body = msgspec.json.encode({"predictions": [record]})
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return _serve(rows, app)


def _create_ours(serving: dict[str, Any]) -> App:
    from configs.schema.loading import load_use_case
    from configs.schema.serving import Serving
    from tasks.ledger.log import Entry, open_ledger
    from tasks.serving.app import create_prediction_app

    keep_metrics_apart()
    now = datetime.now(UTC)
    at = now - timedelta(days=1)
    open_ledger().record(Entry(years.NAME, "promoted", "decision:1", at, "bench", 1))
    case = load_use_case(years.NAME)
    case = case.model_copy(update={"serving": Serving.model_validate(serving)})
    app = create_prediction_app(case, lambda: now)
    app.state.service.refresh()
    return app


def _serve(rows: int, app: App) -> Work:
    requests = _build_requests(rows)

    async def work() -> Answer:
        loop, answers = asyncio.get_running_loop(), _Answers()
        config = Config(app, lifespan="off", access_log=False, log_level="critical")
        config.load()
        protocol = HttpToolsProtocol(config, ServerState(), {}, loop)
        protocol.connection_made(answers)
        for request in requests:
            answers.wait_for_next()
            protocol.data_received(request)
            await answers.next
        return Answer(len(requests), answers.total / len(requests))

    return lambda: asyncio.run(work())


def _build_requests(rows: int) -> list[bytes]:
    """The rows of the year with their features as HTTP requests."""
    frame = years.joined(rows).head(MOST)
    times = pl.selectors.datetime().dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    keys = ("carrier", "flight", "origin", "flight_date")
    names = list(dict.fromkeys([*keys, *inputs_of().inputs]))
    requests = frame.select(names).with_columns(times)
    bodies = (msgspec.json.encode({"instances": [row]}) for row in requests.iter_rows(named=True))
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]


class _Answers(asyncio.Transport):
    """The client's side: takes what the server writes."""

    def __init__(self) -> None:
        super().__init__()
        self.next: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.total = 0.0

    def wait_for_next(self) -> None:
        """Expect another response."""
        self.next = asyncio.get_running_loop().create_future()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Read the probability of a response once its body is there."""
        content = bytes(data)
        place = content.find(b'"probability":')
        if content.startswith(b"HTTP") and b" 200 " not in content[:20]:
            raise RuntimeError(content.decode())
        if place >= 0:
            number = content[place + 14 :].split(b",", 1)[0].rstrip(b"}]")
            self.total += float(number)
            self.next.set_result(None)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the addresses of both sides."""
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def is_closing(self) -> bool:
        """Return whether the client has left."""
        return False

    def close(self) -> None:
        """Do nothing: the process ends."""

    def pause_reading(self) -> None:
        """Do nothing: all of a request is there."""

    def resume_reading(self) -> None:
        """Do nothing: all of a request is there."""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Do nothing: there is one protocol."""
