"""Values of labels: those in the set are numbers, all others are no label and counted by name."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.problem_types import PROBLEM_TYPES, ProblemType

BINARY, REGRESSION = PROBLEM_TYPES["binary"](), PROBLEM_TYPES["regression"]()
COLOURS = PROBLEM_TYPES["multiclass"](("blue", "green", "red"))
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("kind", "values", "labels", "other"),
    [
        (BINARY, [0, 1, 2, None, 2], [0, 1, None, None, None], {"2": 2}),
        (BINARY, [0.0, 1.0, 0.5, NAN, INF], [0, 1, None, None, None],
         {"0.5": 1, "NaN": 1, "inf": 1}),
        (BINARY, [True, False, None], [1, 0, None], {}),
        (BINARY, ["1", "0", "yes", "", None], [1, 0, None, None, None], {"": 1, "yes": 1}),
        (BINARY, [-1, 300, 2**40], [None] * 3, {"-1": 1, "1099511627776": 1, "300": 1}),
        (COLOURS, ["red", "pink", None, "RED ", "blue"], [2, None, None, None, 0],
         {"RED ": 1, "pink": 1}),
        (REGRESSION, [1.5, NAN, INF, -INF, None], [1.5, None, None, None, None],
         {"-inf": 1, "NaN": 1, "inf": 1}),
        (REGRESSION, [1, 2, None], [1, 2, None], {}),
    ],
)  # fmt: skip
def test_encode_labels_knows_its_set_alone(
    kind: ProblemType, values: list[object], labels: list[float | None], other: dict[str, int]
) -> None:
    column = pl.Series("label", values, strict=False)
    assert kind.encode_labels(column).to_list() == labels
    assert kind.count_other_values(column) == other


def test_count_other_values_names_the_most_frequent_ones() -> None:
    values = pl.Series([text for number in range(2, 10) for text in [number] * number])
    assert BINARY.count_other_values(values) == {
        "9": 9, "8": 8, "7": 7, "6": 6, "5": 5, "other values": 9,
    }  # fmt: skip


@given(st.lists(st.none() | st.integers(-3, 3) | st.floats(width=32)))
def test_every_number_is_a_label_or_counted_or_null(values: list[float | None]) -> None:
    column = pl.Series("label", values, dtype=pl.Float64, strict=False)
    for kind in (BINARY, REGRESSION):
        labels = kind.encode_labels(column)
        assert labels.is_finite().fill_null(value=True).all()
        assert labels.count() + sum(kind.count_other_values(column).values()) == column.count()


@given(st.lists(st.none() | st.sampled_from(["blue", "red", "Red", " ", "grün"]) | st.text()))
def test_every_text_is_a_class_or_counted_or_null(values: list[str | None]) -> None:
    column = pl.Series("label", values, dtype=pl.String)
    labels = COLOURS.encode_labels(column)
    assert labels.count() + sum(COLOURS.count_other_values(column).values()) == column.count()


@pytest.mark.parametrize("kind", [BINARY, COLOURS])
def test_find_label_error_wants_one_label_at_least(kind: ProblemType) -> None:
    assert kind.find_label_error(pl.Series(["other", "values"])) != ""
    assert kind.find_label_error(pl.Series([], dtype=pl.String)) == ""


@pytest.mark.parametrize(
    ("values", "is_wrong"), [([0, 1, 2], False), ([0, 3], True), ([1], False), ([1, 2], True)]
)
def test_find_label_error_wants_both_labels_beside_other_values(values, is_wrong) -> None:
    assert bool(BINARY.find_label_error(pl.Series(values))) == is_wrong
