"""Column names, values and file names that are hard to write as source code."""

import ast
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from configs.schema.loading import load_use_case
from configs.settings import ROOT
from tasks.scaffold.literals import SourceText, format_python, format_yaml, require_source
from tasks.scaffold.plan import GivenAnswers, to_name
from tasks.scaffold.render import render_files
from tasks.scaffold.resolve import make_plan
from tasks.scaffold.write_files import write_use_case

HOSTILE = [
    'a "quoted" name', "it's", "both ' and \"", '"""', "'''", "back\\slash", "end\\", "{{ plan }}",
    "{% raw %}", "{# note #}", "{0}", "%s", "two\nlines", "tab\there", "return\r", "Größe", "価格",
    "😀", "\u2028", "\x85", "\x00", "\x7f", "\ufeff", "a: b", "a, b", "# no comment", "- item",
    "[x]", "*star", "&anchor", "!tag", "yes", "null", "~", "1", "1e3", "2024-01-01", "", " ", " x ",
    "class", "pl", "x²", "ﬁ", "<b>&amp;</b>", "?", "|", ">", "@at", "`tick`", "N/A", ".", "=", "<<",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
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


@pytest.mark.parametrize(
    ("column", "name"),
    [("Order No.", "order_no"), ("Größe", "größe"), ("x²", "x2"), ("ﬁt", "fit"), ("9", "x_9")],
)
def test_to_name_gives_an_identifier(column, name):
    assert to_name(column) == name
    assert name.isidentifier()


def sample(folder: Path, names: list[str], labels: list[str]) -> Path:
    """A table whose inputs have hostile names, in a folder with a hostile name."""
    values: dict[str, object] = {
        "id": range(4), "at": [f"2024-01-0{day}T00:00:00Z" for day in range(1, 5)],
        "the 'class' {{ x }}": labels,
    }  # fmt: skip
    values |= {f"{name}~{n}": [n, n + 1, n + 2, n + 3] for n, name in enumerate(names)}
    place = folder / 'it\'s {{ here }} "ü"'
    place.mkdir()
    pl.DataFrame(values).write_parquet(place / "rows.parquet")
    return place / "rows.parquet"


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_a_use_case_with_hostile_names_is_valid_source(tmp_path, home, kind):
    labels = ['a "b"', "it's\n{{ y }}", "no", 'a "b"']
    path = sample(tmp_path, HOSTILE, labels)
    answers = GivenAnswers(
        "payment", {"rows": str(path).replace("[", "[[]")}, keys={"rows": "id"},
        label="rows.the 'class' {{ x }}", kind=kind, after="36h",
        positive=labels[1] if kind == "binary" else "",
    )  # fmt: skip
    plan = make_plan(answers, lambda _flag, _question, proposal: proposal)
    files = render_files(plan)
    with write_use_case(tmp_path, "payment", files):
        use_case = load_use_case("payment", tmp_path / "configs")
        assert list(use_case.tables["rows"].columns)[3:] == [
            f"{name}~{n}" for n, name in enumerate(HOSTILE)
        ]
        assert len(use_case.features.inputs) == len(HOSTILE)
        assert set(use_case.label.classes) == (set(labels) if kind == "multiclass" else set())
        module: dict[str, object] = {}
        source = files["feature_repo/payment/transforms.py"]
        exec(compile(source, "transforms.py", "exec"), module)
        raw = {"rows": plan.subject.sample.rows.lazy()}
        start, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 4, tzinfo=UTC)
        rows = module["rows"](raw, start, end).collect()
        assert set(use_case.features.inputs) <= set(rows.columns)
        found = module["labels"](raw, start, end).collect()
        expected = labels[:3] if kind == "multiclass" else [0, 1, 0]
        assert found.sort("id")[use_case.label.column].to_list() == expected
        compile(files["feature_repo/payment/views.py"], "views.py", "exec")
        compile(files["expectations/payment.py"], "expectations.py", "exec")
        checked = subprocess.run(
            [sys.executable, "-m", "ruff", "format", "--check", f"--config={ROOT}/pyproject.toml",
             *(str(tmp_path / name) for name in files if name.endswith(".py"))],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert checked.returncode == 0, checked.stdout + checked.stderr
