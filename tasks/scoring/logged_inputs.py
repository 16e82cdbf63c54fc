"""Inputs of a request as the model saw them, read from the request log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from configs.schema.use_case import UseCase
from tasks.models.matrix import InputSchema
from tasks.rollout.prediction_log import REQUEST_ID, REQUEST_ROW
from tasks.storage.logged_requests import decode_fields, scan_requests


def read_logged_inputs(
    use_case: UseCase, inputs: InputSchema, recorded: Mapping[str, Any]
) -> pl.DataFrame | None:
    """Return the inputs of a prediction as one row, with its keys and prediction time.

    None if it is no prediction of a request, if the log no longer has its row, or if it lacks an
    input or has its hash.

    Args:
        use_case: the use case.
        inputs: of the model.
        recorded: the row of `predictions`.
    """
    requests = scan_requests(use_case)
    if recorded.get(REQUEST_ID) is None or requests is None:
        return None
    logged = requests.filter(request_id=recorded[REQUEST_ID], row=recorded[REQUEST_ROW]).collect()
    if logged.is_empty():
        return None
    if not set(inputs.inputs) <= list_readable_inputs(use_case, logged["inputs"][0]):
        return None
    row = {name: recorded[name] for name in (*use_case.spine.key, use_case.spine.time)}
    typed = logged.select(*decode_inputs(inputs))
    return pl.DataFrame([row]).hstack(typed)


def decode_inputs(inputs: InputSchema) -> list[pl.Expr]:
    """Return the inputs of a model from the column `inputs` of the log: Float64 and String."""
    numbers = dict.fromkeys(inputs.numeric, pl.Float64())
    return decode_fields(pl.col("inputs"), numbers | dict.fromkeys(inputs.categorical, pl.String()))


def list_readable_inputs(use_case: UseCase, text: str) -> set[str]:
    """Return the names in a row of the log whose values are not hashed.

    Args:
        use_case: the use case.
        text: the JSON of the row's inputs.
    """
    log = use_case.serving.log if use_case.serving else None
    return set(json.loads(text)) - set(log.hashed if log else ())
