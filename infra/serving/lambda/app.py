"""Handler of AWS Lambda, for function URLs, API Gateway and direct calls."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from bundle import BadRows, Bundle

_bundle = Bundle(Path(__file__).parent)  # once a process, in the cold start


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Predict the rows of a body `{"instances": [{…}, …]}`."""
    if "instances" in event:  # a direct call
        return _bundle.answer(event)
    body = event.get("body") or ""
    try:
        content = base64.b64decode(body) if event.get("isBase64Encoded") else body
        status, answer = 200, _bundle.answer(content)
    except BadRows as invalid:
        status, answer = 400, {"error": str(invalid), "field": invalid.field}
    headers = {"content-type": "application/json"}
    return {"statusCode": status, "headers": headers, "body": json.dumps(answer)}
