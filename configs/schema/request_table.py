"""The table of logged requests: a small use case of its own, which lands and is ingested as others.

It has a folder of its own in the landing folder and in the lake, so that features, freshness and
checks of the use case do not wait for requests.
"""

from __future__ import annotations

from configs.schema.data import Table
from configs.schema.use_case import UseCase

REQUEST_TABLE = "requests"


def derive_request_case(use_case: UseCase) -> UseCase | None:
    """Return the use case of the logged requests; None if the YAML logs none."""
    if use_case.serving is None or use_case.serving.log is None:
        return None
    columns = {
        "request_id": "text", "row": "integer", "moment": "time", "keys": "text", "inputs": "text",
        "arm": "text", "model_version": "integer", "value": "text", "decision": "text",
        "shadows": "text", "missing_features": "integer", "stale_features": "integer",
        "feature_ages": "text", "seconds": "number", "errors": "text",
    }  # fmt: skip
    table = Table.model_validate(
        {
            "files": f"{REQUEST_TABLE}/*.parquet", "columns": columns,
            "keys": ["request_id", "row"], "event_time": "moment", "known_time": "moment",
            "suite": REQUEST_TABLE,
        }
    )  # fmt: skip
    changes = {
        "name": f"{use_case.name}_{REQUEST_TABLE}",
        "title": f"Requests of {use_case.name}",
        "expectations": "expectations.requests",
        "tables": {REQUEST_TABLE: table},
    }
    return use_case.model_copy(update=changes)
