"""Tables of the prediction server: logged requests, feedback, and folders of pushed rows.

Requests and feedback are a small use case of their own, with its own folders. So features,
freshness and checks of the use case do not wait for requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from configs.schema.data import Table
from configs.schema.use_case import UseCase

REQUEST_TABLE, FEEDBACK_TABLE = "requests", "feedback"
_PUSHED = "pushed"
_REQUEST_COLUMNS = {
    "request_id": "text", "row": "integer", "moment": "time", "keys": "text", "inputs": "text",
    "arm": "text", "model_version": "integer", "value": "text", "decision": "text",
    "shadows": "text", "missing_features": "integer", "stale_features": "integer",
    "feature_ages": "text", "seconds": "number", "errors": "text",
}  # fmt: skip
_FEEDBACK_COLUMNS = {
    "feedback_id": "text", "moment": "time", "request_id": "text", "row": "integer",
    "keys": "text", "label": "text", "flag": "boolean", "comment": "text", "by": "text",
}  # fmt: skip


def derive_request_case(use_case: UseCase) -> UseCase | None:
    """Return the use case of logged requests and feedback; None if the YAML logs none."""
    serving = use_case.serving
    if serving is None or serving.log is None:
        return None
    tables = {
        REQUEST_TABLE: _build_table(
            f"{REQUEST_TABLE}/*", _REQUEST_COLUMNS, ["request_id", "row"], REQUEST_TABLE
        )
    }
    if serving.feedback is not None:
        tables[FEEDBACK_TABLE] = _build_table(
            f"{FEEDBACK_TABLE}/*", _FEEDBACK_COLUMNS, ["feedback_id"], FEEDBACK_TABLE
        )
    changes = {
        "name": name_request_case(use_case.name),
        "title": f"Requests of {use_case.name}",
        "expectations": "expectations.requests",
        "tables": tables,
    }
    return use_case.model_copy(update=changes)


def name_request_case(use_case: str) -> str:
    """Return the name of the use case of a use case's logged requests."""
    return f"{use_case}_{REQUEST_TABLE}"


def name_pushed_folder(table: str) -> str:
    """Return the folder of a table's pushed rows, below the landing folder of its use case."""
    return f"{_PUSHED}/{table}"


def find_pushed_table(use_case: UseCase, path: str) -> str | None:
    """Return the table of a landed file of pushed rows; None for other files."""
    pushed = use_case.serving.tables if use_case.serving else None
    for name in pushed.names if pushed else ():
        if path.startswith(f"{name_pushed_folder(name)}/") and path.endswith(".parquet"):
            return name
    return None


def _build_table(files: str, columns: Mapping[str, str], keys: Sequence[str], suite: str) -> Table:
    content: dict[str, Any] = {
        "files": files, "columns": columns, "keys": keys, "event_time": "moment",
        "known_time": "moment", "suite": suite,
    }  # fmt: skip
    return Table.model_validate(content)
