"""HTTP server of a bundle: V1 of TensorFlow Serving and KServe, SageMaker's and Vertex AI's paths.

Run it with `uvicorn server:app --port 8080`. It needs uvicorn beside the handler's packages.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bundle import BadRows, Bundle

_MAX_BYTES = 8 * 2**20
_bundle = Bundle(Path(__file__).parent)
_model = f"/v1/models/{_bundle.card['name']}"
_HEALTH = {"/ping", "/health", _model, os.environ.get("AIP_HEALTH_ROUTE", "/ping")}
_PREDICT = {f"{_model}:predict", os.environ.get("AIP_PREDICT_ROUTE", "/predict")}
_READY = {"name": _bundle.card["name"], "version": _bundle.card["version"], "ready": True}


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Any) -> None:  # noqa: ANN401
    """Answer a request (ASGI)."""
    if scope["type"] == "lifespan":
        await _follow_lifespan(receive, send)
        return
    status, content = await _answer(scope["method"], scope["path"], receive)
    body = json.dumps(content).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def _answer(
    method: str, path: str, receive: Callable[[], Awaitable[Any]]
) -> tuple[int, object]:
    if method == "GET" and path in _HEALTH:
        return 200, _READY
    # a client of SageMaker that is pointed here asks at /endpoints/<name>/invocations
    if method != "POST" or not (path in _PREDICT or path.endswith("/invocations")):
        return 404, {"error": f"{method} {path} not found"}
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MAX_BYTES:
            return 413, {"error": f"the body has more than {_MAX_BYTES} bytes"}
    try:
        return 200, await asyncio.to_thread(_bundle.answer, bytes(body))
    except BadRows as invalid:
        return 400, {"error": str(invalid), "field": invalid.field}


async def _follow_lifespan(receive: Callable[[], Awaitable[Any]], send: Any) -> None:  # noqa: ANN401
    while (message := await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    if message["type"] == "lifespan.shutdown":
        _bundle.close()
        await send({"type": "lifespan.shutdown.complete"})
