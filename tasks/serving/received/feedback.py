"""Feedback on predictions: a label, a flag or a comment, checked, and landed as files.

A flag says that a prediction looks wrong. It is counted, and it is never a label.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import polars as pl

from configs.schema.base import ColumnType
from configs.schema.request_table import FEEDBACK_TABLE, name_request_case
from configs.schema.serving import Feedback
from configs.schema.use_case import UseCase
from tasks.serving.request_log import spool_folder
from tasks.serving.row_schema import BadRequest, check_time, to_bad_request
from tasks.serving.spooled.landed_requests import build_frame, write_landed_file
from tasks.serving.spooled.spool import NEWLINE, Spool, SpoolPlan, read_whole_lines
from tasks.storage.logged_requests import list_declared_types

_MOST_ITEMS = 1000
_LARGEST = sys.float_info.max
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_PYTHON: Mapping[ColumnType, Any] = {
    "text": str, "integer": int, "number": float, "boolean": bool, "time": datetime,
}  # fmt: skip
_SCHEMA: dict[str, Any] = {
    "feedback_id": pl.String, "moment": pl.Datetime("us", "UTC"), "request_id": pl.String,
    "row": pl.Int64, "keys": pl.String, "label": pl.String, "flag": pl.Boolean,
    "comment": pl.String, "by": pl.String,
}  # fmt: skip


class FeedbackItem(msgspec.Struct, forbid_unknown_fields=True):
    """What one caller says of one prediction, which it names by request or by key."""

    by: _Text
    request_id: _Text | None = None
    row: Annotated[int, msgspec.Meta(ge=0, lt=2**31)] = 0
    key: dict[str, Any] | None = None
    label: str | float | int | bool | None = None
    flag: bool | None = None
    comment: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    id: _Text | None = None


class FeedbackLog:
    """Writes feedback to disk before its caller gets a response, and lands it."""

    def __init__(self, use_case: UseCase, plan: Feedback, on_error: Callable[[], None]) -> None:
        self._use_case = use_case
        land = partial(land_feedback, use_case)
        folder = spool_folder(use_case, FEEDBACK_TABLE)
        self._spool = Spool(SpoolPlan(folder, land, plan.land_seconds, on_error))

    def write(self, items: Sequence[FeedbackItem], moment: datetime) -> list[str]:
        """Write feedback; return its ids once it is on disk.

        Raises:
            BadRequest: an item names no prediction, or says nothing that can be read.
            OSError: the disk is full.
        """
        rows = [
            _build_row(self._use_case, item, f"$[{place}]", moment)
            for place, item in enumerate(items)
        ]
        lines = b"".join(msgspec.json.encode(row) + NEWLINE for row in rows)
        self._spool.append(lines, rows=len(rows), synced=True)
        return [row["feedback_id"] for row in rows]

    def close(self) -> None:
        """Land everything that is written."""
        self._spool.close()


def parse_feedback(body: bytes) -> list[FeedbackItem]:
    """Return the items of a body: one object, or a list of them."""
    try:
        items = msgspec.json.decode(body, type=FeedbackItem | list[FeedbackItem])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as invalid:
        raise to_bad_request(invalid) from invalid
    items = items if isinstance(items, list) else [items]
    if not 0 < len(items) <= _MOST_ITEMS:
        raise BadRequest(f"{len(items)} items; send 1 to {_MOST_ITEMS}", "$")
    return items


def land_feedback(use_case: UseCase, path: Path) -> None:
    """Move a spool file of feedback that no process writes any more into the landing folder."""
    lines = read_whole_lines(path)
    if lines:
        rows = build_frame([msgspec.json.decode(line) for line in lines], _SCHEMA)
        folder = f"{name_request_case(use_case.name)}/{FEEDBACK_TABLE}"
        write_landed_file(f"{folder}/{path.stem}.parquet", rows)
    path.unlink()


def _build_row(
    use_case: UseCase, item: FeedbackItem, place: str, moment: datetime
) -> dict[str, Any]:
    """Return a line of the spool; raise BadRequest with the path of what is wrong.

    Args:
        use_case: the use case.
        item: the feedback.
        place: its path in the body.
        moment: when it came.
    """
    if (item.request_id is None) == (item.key is None):
        raise BadRequest("give either `request_id` or `key`", place)
    if item.label is None and item.flag is None and not item.comment:
        raise BadRequest("give a `label`, a `flag` or a `comment`", place)
    keys = None if item.key is None else _read_key(use_case, item.key, f"{place}.key")
    return {
        "feedback_id": item.id or os.urandom(16).hex(),
        "moment": moment.astimezone(UTC),
        "request_id": item.request_id,
        "row": None if item.request_id is None else item.row,
        "keys": keys,
        "label": _read_label(use_case, item.label, f"{place}.label"),
        "flag": item.flag,
        "comment": item.comment,
        "by": item.by,
    }


def _read_key(use_case: UseCase, key: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return a key of the spine in the types of its columns."""
    names = use_case.spine.key
    if key.keys() != set(names):
        raise BadRequest(f"a key has the fields {', '.join(names)}", place)
    declared, typed = list_declared_types(use_case), {}
    for name in names:
        try:
            value = msgspec.convert(key[name], _PYTHON[declared.get(name, "text")])
        except msgspec.ValidationError as invalid:
            raise to_bad_request(invalid, f"{place}.{name}") from invalid
        typed[name] = check_time(value, f"{place}.{name}")
    return typed


def _read_label(use_case: UseCase, label: object, place: str) -> str | None:
    """Return a label as text: 0 or 1, a number, or the name of a class."""
    if label is None:
        return None
    kind, classes = use_case.label.kind, use_case.label.classes
    if kind == "multiclass":
        if label not in classes:
            raise BadRequest(f"the label must be one of {', '.join(classes)}", place)
        return str(label)
    if kind == "binary" and label not in (0, 1):
        raise BadRequest("the label must be 0, 1, false or true", place)
    if not isinstance(label, int | float) or abs(label) > _LARGEST or label != label:
        raise BadRequest("the label must be a finite number", place)
    return repr(float(label))
