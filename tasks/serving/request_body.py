"""Bodies of requests, read within the limits of the YAML."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from configs.schema.serving import Serving
from tasks.serving.row_schema import BadRequest


async def read_body(request: Request, limits: Serving) -> bytes:
    """Read the body of a request; BadRequest 413 if it is too large, 408 if it is too slow."""
    limit, seconds = limits.max_body_mb * 2**20, limits.timeout_seconds
    declared = request.headers.get("content-length", "")
    too_large = BadRequest(
        f"the body has more than {limit:,} bytes; send several requests", "$", 413
    )
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while (
                True
            ):  # of the messages themselves: a stream of starlette costs several times more
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise BadRequest("the client left before the end of the body", "$", 400)
                body += message.get("body", b"")
                if len(body) > limit:
                    raise too_large
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError as late:
        raise BadRequest(f"the body did not arrive within {seconds:g} s", "$", 408) from late
