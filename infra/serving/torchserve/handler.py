"""Handler of TorchServe: a plain function, which predicts a batch of requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bundle import BadRows, Bundle

_opened: dict[str, Bundle] = {}


def handle(data: list[dict[str, Any]] | None, context: Any) -> list[dict[str, Any]] | None:  # noqa: ANN401
    """Predict the body of each request; the first call has none and opens the bundle."""
    folder = context.system_properties["model_dir"]
    if folder not in _opened:
        _opened[folder] = Bundle(Path(folder))
    if data is None:
        return None
    answers = []
    for place, request in enumerate(data):
        try:
            answers.append(
                _opened[folder].answer(request.get("body") or request.get("data") or b"")
            )
        except BadRows as invalid:
            context.set_response_status(code=400, phrase="Bad Request", idx=place)
            answers.append({"error": str(invalid), "field": invalid.field})
    return answers
