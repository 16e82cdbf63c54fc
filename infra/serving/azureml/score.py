"""Scoring script of Azure ML: `azmlinfsrv --entry_script score.py`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse
from bundle import BadRows, Bundle

_opened: list[Bundle] = []


def init() -> None:
    """Open the bundle: below the model's folder in the cloud, beside this file elsewhere."""
    folder = Path(os.environ.get("AZUREML_MODEL_DIR") or Path(__file__).parent)
    card = next(folder.rglob("card.json"))
    _opened[:] = [Bundle(card.parent)]


@rawhttp
def run(request: AMLRequest) -> Any:  # noqa: ANN401
    """Predict the rows of a body `{"instances": [{…}, …]}`."""
    try:
        return AMLResponse(_opened[0].answer(request.get_data()), 200, json_str=True)
    except BadRows as invalid:
        return AMLResponse({"error": str(invalid), "field": invalid.field}, 400, json_str=True)
