"""Values as literals of Python and YAML."""

import ast
from datetime import timedelta

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tasks.scaffold.literals import SourceText, format_python, format_yaml, require_source
from tests.support.hostile_texts import HOSTILE_TEXTS


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_a_literal_gives_the_text_back(text):
    assert ast.literal_eval(format_python(text)) == text
    assert yaml.safe_load(f"key: {format_yaml(text)}\n") == {"key": text}
    assert yaml.safe_load(f"{format_yaml(text)}: integer\n") == {text: "integer"}
    assert yaml.safe_load(f"  - {format_yaml(text)}\n") == [text]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_any_text_survives_in_lists_of_yaml_and_python(texts):
    assert yaml.safe_load(f"keys: {format_yaml(texts)}") == {"keys": texts}
    source = f"({''.join(f'{format_python(text)}, ' for text in texts)})"
    assert ast.literal_eval(source) == tuple(texts)


@pytest.mark.parametrize(
    ("value", "source"),
    [
        ("plain", '"plain"'), ('say "x"', "'say \"x\"'"), ("it's", '"it\'s"'), (3, "3"),
        (timedelta(hours=36), "timedelta(hours=36)"), (timedelta(days=2), "timedelta(days=2)"),
        (timedelta(minutes=5), "timedelta(minutes=5)"),
    ],
)  # fmt: skip
def test_python_literals_are_quoted_as_ruff_quotes_them(value, source):
    assert format_python(value) == source


def test_a_template_cannot_write_text_that_is_no_literal():
    assert require_source("feature_repo.payment") == "feature_repo.payment"
    assert require_source(SourceText('"a b"')) == '"a b"'
    with pytest.raises(ValueError, match="through `py` or `yaml`"):
        require_source("a b")
