"""Schema of the rows of a request: fields by name, typed decoding, errors with the field's path.

A row has the keys of the spine, the inputs that no feature view has, and optionally the moment, the
join keys of the views and the features themselves. A feature that a row does not give is read
online.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from types import GenericAlias
from typing import Any

import msgspec

from configs.clock import as_utc, check_moment
from configs.errors import BadConfig
from configs.schema.base import ColumnType
from configs.schema.use_case import UseCase
from tasks.serving.opened_version import OpenedVersion, list_inputs

NOT_GIVEN = msgspec.UNSET
"""The value of a field that a row does not have."""
_PYTHON: Mapping[ColumnType | None, Any] = {
    "text": str, "integer": int, "number": float, "boolean": bool, "time": datetime,
    None: str | int | float | bool,
}  # fmt: skip
_NUMBER: Any = int | float | bool | None
_PATH = re.compile(r" - at `(?P<path>.*)`$", re.DOTALL)
_UNNAMEABLE = re.compile(r'["\\\x00-\x1f]')


class BadRequest(Exception):
    """A request is not valid; `field` is the path of the invalid value, if there is one."""

    def __init__(self, message: str, field: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.field, self.status = message, field, status


@dataclass(frozen=True, eq=False)
class RowSchema:
    """The fields of a row, and which of them a row must have."""

    fields: Mapping[str, Any]
    """Python type of each field."""
    required: frozenset[str]
    times: tuple[str, ...]

    @cached_property
    def row_type(self) -> type[msgspec.Struct]:
        """The msgspec type of a row; its attributes are in the order of `fields`."""
        names = {f"f{place}": name for place, name in enumerate(self.fields)}
        fields: list[Any] = [
            (attribute, self.fields[name])
            if name in self.required
            else (attribute, self.fields[name] | msgspec.UnsetType, NOT_GIVEN)
            for attribute, name in names.items()
        ]
        return msgspec.defstruct(
            "Row", fields, rename=names, kw_only=True, forbid_unknown_fields=True, gc=False
        )

    def convert(self, rows: object, place: str = "$") -> list[Any]:
        """Return typed rows from decoded JSON; raise BadRequest with the path below `place`."""
        try:
            typed: list[Any] = msgspec.convert(rows, GenericAlias(list, (self.row_type,)))
        except msgspec.ValidationError as invalid:
            raise to_bad_request(invalid, place) from invalid
        return typed

    def to_columns(self, rows: Sequence[Any]) -> dict[str, Sequence[Any]]:
        """Return typed rows as columns; NOT_GIVEN where a row lacks a field."""
        values = zip(*map(msgspec.structs.astuple, rows), strict=True)
        columns: dict[str, Sequence[Any]] = dict(zip(self.fields, values, strict=False))
        if not rows:
            return dict.fromkeys(self.fields, ())
        for name in self.times:
            columns[name] = [
                check_time(each, f"$[{at}].{name}") for at, each in enumerate(columns[name])
            ]
        return columns


def build_row_schema(use_case: UseCase, versions: Sequence[OpenedVersion]) -> RowSchema:
    """Return the schema of the rows that these versions predict.

    Raises:
        BadConfig: a column cannot be the name of a JSON field here.
    """
    views = [view for each in versions for view in each.views]
    served = {name: kind for view in views for name, kind in view.features.items()}
    joins = {name: kind for view in views for name, kind in view.keys.items()}
    numeric = {name for each in versions for name in each.card.inputs.numeric}
    declared = _list_declared_types(use_case)
    fields: dict[str, Any] = {}
    for name in (*use_case.spine.key, *list_inputs(versions), *joins, use_case.spine.time):
        kind = served.get(name) or joins.get(name) or declared.get(name)
        fields.setdefault(name, _PYTHON[kind] | None)
        if name in numeric:
            fields[name] = _NUMBER
    for name in use_case.spine.key:
        fields[name] = _PYTHON[declared.get(name) or joins.get(name)]
    fields[use_case.spine.time] = datetime | None
    for name in fields:
        if _UNNAMEABLE.search(name):
            raise BadConfig(f"{use_case.name}: the column {name!r} cannot be served; rename it")
    required = {*use_case.spine.key, *(set(list_inputs(versions)) - set(served))}
    times = tuple(name for name, kind in fields.items() if kind in (datetime, datetime | None))
    return RowSchema(fields, frozenset(required), times)


def to_bad_request(error: Exception, place: str = "$") -> BadRequest:
    """Return what is wrong with a body as msgspec says it."""
    text = str(error)
    path = _PATH.search(text)
    if path is None:
        field = place if isinstance(error, msgspec.ValidationError) else None
        return BadRequest(text, field)
    return BadRequest(text[: path.start()], place + path["path"].removeprefix("$"))


def _list_declared_types(use_case: UseCase) -> dict[str, ColumnType | None]:
    """Return the type of each column of the YAML's tables; None if tables disagree."""
    types: dict[str, ColumnType | None] = {}
    for table in use_case.tables.values():
        for name, column in table.columns.items():
            types[name] = column.type if types.get(name, column.type) == column.type else None
    return types


def check_time(value: Any, place: str) -> Any:  # noqa: ANN401
    """Return a time in UTC, and any other value as it is; raise BadRequest for an absurd time.

    Args:
        value: a value of a row.
        place: its path in the body.
    """
    if not isinstance(value, datetime):
        return value
    try:
        return as_utc(check_moment(value))
    except ValueError as invalid:
        raise BadRequest(str(invalid), place) from invalid
