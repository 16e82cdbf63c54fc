"""JSON lines are read exactly, or refused with the line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.errors import RefusedBatch
from tasks.ingestion.parsing.json_lines_reader import read_json_lines

_REFUSED = {
    "half a line": (b'{"a": 1}\n{"a": 2', "line 2 is no complete JSON"),
    "a list": (b'{"a": 1}\n[1]\n', "line 2 is no JSON object"),
    "a number": (b"5\n", "line 1 is no JSON object"),
    "null": (b'{"a": 1}\n\nnull\n', "line 3 is no JSON object"),
    "two on a line": (b'{"a": 1} {"a": 2}\n', "line 1 is no complete JSON"),
    "an array of rows": (b'[\n{"a": 1}\n]\n', "line 1 is no complete JSON"),
    "a CSV": (b"a,b\n1,2\n", "line 1 is no complete JSON"),
    "another format": (b"PK\x03\x04....", "ZIP archive"),
    "nothing": (b" \n", "is empty"),
    "not UTF-8": (b'{"a": "\xff"}\n', "line 1 is no complete JSON"),
    "no such field": (b'{"b": 1}\n', "column a is missing .columns found: b"),
    "Python's NaN": (b'{"a": NaN}\n', "not readable as JSON lines"),
}


@pytest.mark.parametrize("wrong", _REFUSED)
def test_an_invalid_file_is_refused_with_the_reason(wrong: str) -> None:
    content, reason = _REFUSED[wrong]
    with pytest.raises(RefusedBatch, match=rf"^a.jsonl: .*{reason}"):
        read_json_lines(content, "a.jsonl", ["a"])


def test_a_field_that_is_null_in_each_line_is_not_missing() -> None:
    assert read_json_lines(b'{"a": null}\n{}\n', "a.jsonl", ["a"]).rows() == [(None,), (None,)]


_VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries({"a": _VALUES, "ü b": _VALUES}), min_size=1), st.booleans())
def test_values_are_the_texts_of_json(rows: list[dict[str, object]], ascii_only: bool) -> None:
    lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    read = read_json_lines("\n".join(lines).encode(), "a.jsonl", ["ü b", "a"])
    assert read.rows(named=True) == [{n: _show(row[n]) for n in ("ü b", "a")} for row in rows]


def _show(value: object) -> str | None:
    return value if isinstance(value, str | None) else json.dumps(value)
