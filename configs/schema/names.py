"""Names that the data may not have, because tables hold columns of Mainspring beside the data's.

Columns that are added for a moment begin with `__`, so all other names are free.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

PREDICTION_COLUMNS = (
    "probability", "prediction", "decision", "arm", "model_version", "feature_service", "run_id",
    "scored_as_of",
)  # fmt: skip
"""Columns of the predictions and shadows tables, beside keys and prediction time."""
CONTRIBUTION_COLUMNS = ("model_version", "rank", "input", "value", "contribution")
"""Columns of the contributions table, beside keys and prediction time."""
FEATURE_TIMES = ("event_timestamp", "created_timestamp")
"""The two times of every feature table."""
LANDED_COLUMNS = ("_file", "_known", "_reasons")
"""Columns that ingestion adds to raw tables and quarantine."""
OWN_PREFIX = "__"

_PREDICTIONS = dict.fromkeys(PREDICTION_COLUMNS, "a column of the prediction tables")
_CONTRIBUTIONS = dict.fromkeys(CONTRIBUTION_COLUMNS, "a column of the contributions table")
_TIMES = dict.fromkeys(FEATURE_TIMES, "a time of every feature table")
RESERVED: Mapping[str, Mapping[str, str]] = {
    "spine.keys": _CONTRIBUTIONS | _PREDICTIONS | _TIMES,
    "spine.time": _CONTRIBUTIONS | _PREDICTIONS | _TIMES,
    "label.column": _PREDICTIONS,
    "features": _TIMES,
    "columns": dict.fromkeys(LANDED_COLUMNS, "a column of raw tables and quarantine"),
}
"""By field: the names that it may not have, each with the reason; `columns` is of all tables."""


def own_name(name: str, taken: Iterable[str]) -> str:
    """Return the name of an own column, with `__` before it if the data has that name."""
    return f"{OWN_PREFIX}{name}" if name in taken else name


def find_reserved_names(names: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Yield an error for each name that its field may not have.

    Args:
        names: by field of the YAML, the names of columns that it has.
    """
    for field, columns in names.items():
        for column in columns:
            if reason := _find_reason(field, column):
                yield (
                    f"{field}: {column!r} is {reason}. Give the column another name, in its table "
                    f"for example with columns: {{my_{column.strip('_^$*')}: "
                    f"{{type: text, from: {column}}}}}"
                )


def _find_reason(field: str, column: str) -> str:
    if column.startswith(OWN_PREFIX):
        return f"reserved: names that begin with {OWN_PREFIX} are Mainspring's own"
    if column == "*" or (column.startswith("^") and column.endswith("$")):
        return "a pattern, which polars takes for several columns"
    return RESERVED[field if field in RESERVED else "columns"].get(column, "")
