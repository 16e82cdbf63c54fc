"""The rules that most suites are made of, by short names."""

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


def some_rows(most: int) -> Expectation:
    """A file holds some rows, and not a flood."""
    return ExpectTableRowCountToBeBetween(min_value=1, max_value=most)


def lands(known: str, most: int, as_of: datetime) -> list[Expectation]:
    """What a file as a whole must hold: some rows, not a flood, and nothing from the future."""
    return [some_rows(most), ExpectColumnMaxToBeBetween(column=known, max_value=as_of)]


def there(column: str) -> Expectation:
    """No value is missing."""
    return ExpectColumnValuesToNotBeNull(column=column)


def between(column: str, least: float, most: float) -> Expectation:
    """Every value lies within bounds, both included."""
    return ExpectColumnValuesToBeBetween(column=column, min_value=least, max_value=most)


def later(column: str, than: str) -> Expectation:
    """Every time is later than another one of its row."""
    return ExpectColumnPairValuesAToBeGreaterThanB(column_A=column, column_B=than)


def one_of(column: str, values: list[str]) -> Expectation:
    """Every value is one of these."""
    return ExpectColumnValuesToBeInSet(column=column, value_set=values)
