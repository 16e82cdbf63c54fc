"""Types of a sample's columns: the narrowest that holds all values, by the rules of landing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl

from configs.schema.base import ColumnType
from configs.schema.landed import Column, CsvFormat
from tasks.ingestion.parsing.column_values import cast_column, mark_nulls

_KINDS: tuple[ColumnType, ...] = ("integer", "number", "boolean", "time")
_DAYS = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y%m%d",
         "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y", "%d/%m/%y",
         "%m/%d/%y")  # fmt: skip
_HOURS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S%.f", "T%H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_EPOCHS = {"epoch_s": 10**9, "epoch_ms": 10**12, "epoch_us": 10**15}  # all from 2001 to 2099
_LATEST_EPOCH = int(datetime(2099, 1, 1, tzinfo=UTC).timestamp()) / 10**9
_TIME_NAME = re.compile(r"(^|_)(time|times|timestamp|ts|date|datetime|at|on|when|epoch|ms)(_|$)")
_NUMBERED_DAY = r"\d{4}[/.-]\d{1,2}[/.-]\d{1,2}|\d{1,2}[/. -]\d{1,2}[/. -]\d{2,4}"
_NAMED_DAY = r"\d{1,2}[ -][A-Za-z]{3,9}[ -]\d{4}|[A-Za-z]{3,9} \d{1,2},? \d{4}"
_ID_NAME = re.compile(r"(^|_)(id|key|no|nr|num|number|code|uuid|zip|postcode|phone)(_|$)")


def guess_columns(
    columns: Mapping[str, pl.Series], csv_format: CsvFormat
) -> dict[str, Column | None]:
    """Return the declaration of each column, by its name in the lake, as `guess_column` does.

    In a table without a time, numbers may be times since 1970 whatever their name is.
    """
    guessed = {name: guess_column(name, column, csv_format) for name, column in columns.items()}
    if any(declared and declared.type == "time" for declared in guessed.values()):
        return guessed
    for name, declared in guessed.items():
        numbers = declared and declared.type == "integer" and not _ID_NAME.search(name)
        if numbers and (epoch := _find_epoch(cast_column(columns[name], Column(type="integer")))):
            guessed[name] = epoch
    return guessed


def guess_column(name: str, column: pl.Series, csv_format: CsvFormat) -> Column | None:
    """Return the declaration of a column; None if no type of the lake holds its values.

    Args:
        name: its name in the lake, which tells an id or an epoch from another number.
        column: its values as they were read, a CSV's as text.
        csv_format: how a CSV's numbers and missing values are written.
    """
    for declared in _list_declarations(name, column):
        values = mark_nulls(column, declared, csv_format)
        if not (values.is_not_null() & cast_column(values, declared, csv_format).is_null()).any():
            return declared
    return None


def looks_like_time(column: pl.Series) -> bool:
    """Return whether texts look like times, however they are written."""
    if column.dtype != pl.String:
        return False
    values = column.drop_nulls().head(20)
    pattern = rf"{_NUMBERED_DAY}|{_NAMED_DAY}|^\d{{1,2}}:\d\d"
    return not values.is_empty() and bool(values.str.contains(pattern).all())


def _list_declarations(name: str, column: pl.Series) -> list[Column]:
    """Return the declarations to try, the narrowest first."""
    if column.dtype == pl.String:
        return _list_of_texts(name, column.drop_nulls().str.strip_chars())
    if column.dtype.is_integer() or (column.dtype.is_decimal() and _is_whole(column)):
        kinds: tuple[ColumnType, ...] = ("integer", "text", "number")
        epoch = _find_epoch(column) if _TIME_NAME.search(name) else None
        return [*([epoch] if epoch else []), *(Column(type=kind) for kind in kinds)]
    if column.dtype.is_float() and _ID_NAME.search(name) and _is_whole(column):
        return [Column(type="integer"), Column(type="number")]
    return [Column(type=kind) for kind in ("boolean", "time", "number", "text")]


def _list_of_texts(name: str, values: pl.Series) -> list[Column]:
    if values.is_empty() or values.str.contains(r"^[+-]?0\d+([.,]\d+)?$").any():
        return [Column(type="text")]  # leading zeros would be lost
    fractions = values.str.contains(r"^[+-]?\d+[.,]\d+$").any() and not _ID_NAME.search(name)
    kinds = [kind for kind in _KINDS if not (kind == "integer" and fractions)]
    whole = values.cast(pl.Int64(), strict=False)
    epoch = _find_epoch(whole) if _TIME_NAME.search(name) and not whole.has_nulls() else None
    times = [epoch] if epoch else _list_times(values)
    return [*times, *(Column(type=kind) for kind in kinds), Column(type="text")]


def _list_times(values: pl.Series) -> list[Column]:
    """Return times in the forms that the values may have; none if two forms would differ."""
    if not looks_like_time(values) and not values.str.contains(r"^(19|20)\d{6}$").all():
        return []
    spans = {}
    for form in (f"{day}{hour}" for day in _DAYS for hour in _HOURS):
        times = values.str.to_datetime(form, time_unit="us", strict=False)
        if not times.has_nulls():
            spans[form] = (_measure_span(times), times)
    narrow = sorted(spans, key=lambda form: spans[form][0])
    if len(narrow) > 1:
        (span, times), (other_span, other_times) = (spans[form] for form in narrow[:2])
        if span == other_span and not times.equals(other_times):
            return []  # 03/04/2024 is a day in March or in April
    return [Column(type="time", format=form) for form in narrow[:1]]


def _measure_span(times: pl.Series) -> float:
    first, last = times.min(), times.max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return (last - first).total_seconds()


def _find_epoch(numbers: pl.Series) -> Column | None:
    """Return a time since 1970, if all numbers are one from 2001 to 2099."""
    known = numbers.drop_nulls().cast(pl.Float64())
    if known.is_empty():
        return None
    for form, least in _EPOCHS.items():
        if known.is_between(least, least * _LATEST_EPOCH).all():
            return Column(type="time", format=form)
    return None


def _is_whole(column: pl.Series) -> bool:
    values = column.drop_nulls().cast(pl.Float64())
    values = values.filter(values.is_finite())
    return not values.is_empty() and bool((values == values.floor()).all())
