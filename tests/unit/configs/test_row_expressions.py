"""Expressions of KPIs: one number a row or a refusal that says what to do, for many texts."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.row_expressions import evaluate_expression, find_expression_error
from configs.schema.base import ColumnType
from tests.support.hostile_texts import HOSTILE_TEXTS

COLUMNS: dict[str, ColumnType] = {
    "decision": "boolean", "late": "integer", "probability": "number", "origin": "text",
    "prediction_time": "time", "two words": "number",
}  # fmt: skip


@pytest.mark.parametrize(
    "expression",
    [
        "CASE WHEN decision AND late = 1 THEN 3.0 WHEN decision THEN -1.0 ELSE 0.0 END",
        "late", "decision", "probability * late - 0.5", "ABS(probability - late)",
        'COALESCE("two words", 0) * 2', "CASE origin WHEN 'a' THEN 1 ELSE 2 END",
        "LENGTH(origin)", "EXTRACT(HOUR FROM prediction_time)", "late::float / 3",
        "CASE WHEN origin IN ('a', 'b') AND late IS NOT NULL THEN LOG10(probability) END",
    ],
)  # fmt: skip
def test_a_number_a_row_is_accepted(expression: str) -> None:
    assert find_expression_error(expression, COLUMNS) == ""


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        ("late +", "not readable"), ("", "not readable"), ("*", "not readable"),
        ("late; DROP TABLE x", "not readable"), ("RANDOM()", "not readable"),
        ("READ_CSV('/etc/passwd')", "not readable"), ("late IN (SELECT y FROM z)", "not readable"),
        ("delay * late", "names the column 'delay', which does not exist; use decision, late"),
        ("1", "names no column"), ("(SELECT 1)", "names no column"),
        ("SUM(late)", "mixes rows"), ("late - AVG(late)", "mixes rows"),
        ("COUNT(late)", "mixes rows"), ("RANK() OVER (ORDER BY late)", "mixes rows"),
        ("FIRST(probability)", "mixes rows"), ("SUM(late) OVER (ORDER BY probability)", "mixes"),
        ("origin", "gives no number"), ("origin || 'x'", "gives no number"),
        ("late + origin", "gives no number"), ("decision AND late", "gives no number"),
    ],
)  # fmt: skip
def test_another_text_is_refused_with_what_to_do(expression: str, part: str) -> None:
    assert part in find_expression_error(expression, COLUMNS)


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_texts_are_refused_and_never_raise(text: str) -> None:
    assert find_expression_error(text, COLUMNS)


@given(st.text(max_size=40))
def test_any_text_is_accepted_or_refused(text: str) -> None:
    assert isinstance(find_expression_error(text, COLUMNS), str)


def test_what_is_not_finite_has_no_number() -> None:
    rows = pl.DataFrame({"x": [0.0, 1.0, None, -2.0]})
    assert evaluate_expression("1 / x", rows).to_list() == [None, 1.0, None, -0.5]
