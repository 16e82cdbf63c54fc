"""Predictions by the key that a person writes: `a/b/2013-07-04`, or `name=a,other=b,…`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from configs.errors import NoRows, Terminal
from configs.schema.use_case import UseCase
from tasks.rollout.assignment import CHAMPION
from tasks.rollout.prediction_log import PREDICTIONS
from tasks.storage.lake import open_lake


def find_prediction(use_case: UseCase, written: str) -> dict[str, Any]:
    """The prediction of a key that was written by a person, the latest if there are several."""
    lake = open_lake(use_case.name)
    if not lake.exists(PREDICTIONS):
        raise NoRows(f"{lake.uri(PREDICTIONS)}: nothing was predicted yet")
    table = lake.scan(PREDICTIONS)
    key = parse_key(use_case, written, table)
    rows = matches_key(table, key).collect().sort(use_case.spine.time)
    if rows.is_empty():
        raise NoRows(f"nothing was predicted for {written}; {_form(use_case, table)}")
    found = rows.row(-1, named=True)
    return found | {"arm": found.get("arm") or CHAMPION}  # from before there were roll-outs


def parse_key(use_case: UseCase, written: str, table: pl.LazyFrame) -> dict[str, Any]:
    """The values of spine.keys in `a/b/2013-07-04`, in order, or `name=a,other=b,…`.

    Terminal says which columns make a key, and gives one that exists.
    """
    names, types = use_case.spine.key, table.collect_schema()
    try:
        pairs = _pairs(names, written)
        return {name: _value(pairs[name], types[name]) for name in names}
    except ValueError as wrong:
        said = f"{written!r} is no key of {use_case.name}: {wrong}; {_form(use_case, table)}"
        raise Terminal(said) from wrong


def matches_key(table: pl.LazyFrame, key: Mapping[str, Any]) -> pl.LazyFrame:
    """The rows of a table that have these values."""
    return table.filter(pl.col(name) == value for name, value in key.items())


def format_key(values: Sequence[Any]) -> str:
    """A key as a person writes it; a moment at midnight is its day."""
    return "/".join(_written(value) for value in values)


def _pairs(names: Sequence[str], written: str) -> dict[str, str]:
    """Each column's value as text; ValueError unless there is one for each."""
    if "=" not in written:
        values = written.split("/")
        if len(values) != len(names):
            raise ValueError(f"it has {len(values)} values for {len(names)} columns")
        return dict(zip(names, values, strict=True))
    parts = (part.partition("=") for part in written.split(","))
    pairs = {name.strip(): value.strip() for name, _, value in parts}
    if wrong := sorted(set(pairs) ^ set(names)):
        raise ValueError(f"unknown or missing: {', '.join(wrong)}")
    return pairs


def _form(use_case: UseCase, table: pl.LazyFrame) -> str:
    """How a key is written, with one that exists."""
    names = use_case.spine.key
    example = table.select(names).tail(1).collect()
    known = f", for example {format_key(example.row(0))}" if example.height else ""
    return f"a key is {'/'.join(names)}{known}"


def _value(text: str, kind: pl.DataType) -> Any:  # noqa: ANN401
    if kind.is_temporal():
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if kind.is_integer():
        return int(text)
    return float(text) if kind.is_float() else text


def _written(value: object) -> str:
    if not isinstance(value, datetime):
        return str(value)
    midnight = value == value.replace(hour=0, minute=0, second=0, microsecond=0)
    return f"{value:%Y-%m-%d}" if midnight else value.isoformat()
