"""Common validation rules with short names."""

from __future__ import annotations

from datetime import datetime

from great_expectations.expectations import (
    Expectation,
    ExpectColumnMaxToBeBetween,
    ExpectColumnPairValuesAToBeGreaterThanB,
    ExpectColumnValuesToBeBetween,
    ExpectColumnValuesToBeInSet,
    ExpectColumnValuesToNotBeNull,
    ExpectTableRowCountToBeBetween,
)

from configs.schema.data import KNOWN_GRACE


def some_rows(most: int) -> Expectation:
    """Require between 1 and `most` rows in a file."""
    return ExpectTableRowCountToBeBetween(min_value=1, max_value=most)


def lands(known: str, most: int, as_of: datetime) -> list[Expectation]:
    """Require of a file between 1 and `most` rows, and no row from the future.

    Rows that are known up to five minutes after the ingest are allowed: no run uses them earlier.
    """
    latest = as_of + KNOWN_GRACE
    return [some_rows(most), ExpectColumnMaxToBeBetween(column=known, max_value=latest)]


def not_null(column: str) -> Expectation:
    """Require that no value is missing."""
    return ExpectColumnValuesToNotBeNull(column=column)


def between(column: str, least: float, most: float) -> Expectation:
    """Require every value to be within bounds, inclusive."""
    return ExpectColumnValuesToBeBetween(column=column, min_value=least, max_value=most)


def later(column: str, than: str) -> Expectation:
    """Require every time to be later than another time of its row."""
    return ExpectColumnPairValuesAToBeGreaterThanB(column_A=column, column_B=than)


def one_of(column: str, values: list[str]) -> Expectation:
    """Require every value to be one of `values`."""
    return ExpectColumnValuesToBeInSet(column=column, value_set=values)
