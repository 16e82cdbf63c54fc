"""Prediction keys as text, `a/b/2013-07-04` or `name=a,other=b,…`, and lookup by them."""

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


def find_prediction(use_case: UseCase, key_text: str) -> dict[str, Any]:
    """Return the prediction of a key, the latest if there are several; raise NoRows if none."""
    lake = open_lake(use_case.name)
    if not lake.exists(PREDICTIONS):
        raise NoRows(f"{lake.uri(PREDICTIONS)}: no predictions yet. Run the score flow first")
    table = lake.scan(PREDICTIONS)
    key = parse_key(use_case, key_text, table)
    rows = filter_by_key(table, key).collect().sort(use_case.spine.time)
    if rows.is_empty():
        raise NoRows(f"no prediction found for {key_text}; {_describe_key_format(use_case, table)}")
    prediction = rows.row(-1, named=True)
    # rows from before the first rollout have no arm
    return prediction | {"arm": prediction.get("arm") or CHAMPION}


def parse_key(use_case: UseCase, key_text: str, table: pl.LazyFrame) -> dict[str, Any]:
    """Return the values of the columns `spine.key` in a key's text.

    Raises Terminal for an invalid key, with the key's columns and an existing key.

    Args:
        key_text: values in order, `a/b/2013-07-04`, or `name=a,other=b,…`.
        table: a prediction table, which has the types.
    """
    names, types = use_case.spine.key, table.collect_schema()
    try:
        pairs = _split_pairs(names, key_text)
        return {name: _parse_value(name, pairs[name], types[name]) for name in names}
    except ValueError as error:
        form = _describe_key_format(use_case, table)
        message = f"{key_text!r} is an invalid key of {use_case.name}: {error}; {form}"
        raise Terminal(message) from error


def filter_by_key(table: pl.LazyFrame, key: Mapping[str, Any]) -> pl.LazyFrame:
    """Return the rows of a table with the values of `key`."""
    return table.filter(pl.col(name) == value for name, value in key.items())


def format_key(values: Sequence[Any]) -> str:
    """Return a key as text, its values joined by `/`; midnight is written as a date."""
    return "/".join(_format_value(value) for value in values)


def _split_pairs(names: Sequence[str], key_text: str) -> dict[str, str]:
    """Return each column's value as text; raise ValueError unless there is one for each."""
    if "=" not in key_text:
        values = key_text.split("/")
        if len(values) != len(names):
            raise ValueError(f"it has {len(values)} values for {len(names)} columns")
        return dict(zip(names, values, strict=True))
    parts = (part.partition("=") for part in key_text.split(","))
    pairs = {name.strip(): value.strip() for name, _, value in parts}
    if mismatched := sorted(set(pairs) ^ set(names)):
        raise ValueError(f"unknown or missing columns: {', '.join(mismatched)}")
    return pairs


def _describe_key_format(use_case: UseCase, table: pl.LazyFrame) -> str:
    """Return how to write a key, with an existing key as an example."""
    names = use_case.spine.key
    example = table.select(names).tail(1).collect()
    example_text = f", for example {format_key(example.row(0))}" if example.height else ""
    return f"a key is {'/'.join(names)}{example_text}"


def _parse_value(name: str, text: str, kind: pl.DataType) -> Any:  # noqa: ANN401
    """Return a value of a key; ValueError names the column and what it must be."""
    try:
        if kind.is_temporal():
            moment = datetime.fromisoformat(text)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if kind.is_integer():
            return int(text)
        return float(text) if kind.is_float() else text
    except (ValueError, OverflowError) as error:
        wanted = (
            "a time like 2013-07-04"
            if kind.is_temporal()
            else "a whole number"
            if kind.is_integer()
            else "a number"
        )
        raise ValueError(f"{name} must be {wanted}, not {text!r:.40}") from error


def _format_value(value: object) -> str:
    if not isinstance(value, datetime):
        return str(value)
    midnight = value == value.replace(hour=0, minute=0, second=0, microsecond=0)
    return f"{value:%Y-%m-%d}" if midnight else value.isoformat()
