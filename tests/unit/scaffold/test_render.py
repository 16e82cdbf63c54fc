"""Column names, values and file names that are hard to write as source code."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from configs.schema.loading import load_use_case
from configs.settings import ROOT
from tasks.scaffold.plan import GivenAnswers, to_name
from tasks.scaffold.render import render_files
from tasks.scaffold.resolution.resolve import make_plan
from tasks.scaffold.write_files import write_use_case
from tests.support.hostile_texts import HOSTILE_TEXTS


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
    path = sample(tmp_path, HOSTILE_TEXTS, labels)
    answers = GivenAnswers(
        "payment", {"rows": str(path).replace("[", "[[]")}, keys={"rows": "id"},
        label="rows.the 'class' {{ x }}", kind=kind, after="36h",
        positive=labels[1] if kind == "binary" else "",
    )  # fmt: skip
    plan = make_plan(answers, lambda _flag, _question, proposal: proposal)
    files = render_files(plan)
    with write_use_case(tmp_path, "payment", files):
        use_case = load_use_case("payment", tmp_path / "configs")
        columns = list(use_case.tables["rows"].columns.values())[3:]
        assert [column.source for column in columns] == [
            f"{name}~{n}" for n, name in enumerate(HOSTILE_TEXTS)
        ]
        assert len(use_case.features.inputs) == len(HOSTILE_TEXTS)
        assert set(use_case.label.classes) == (set(labels) if kind == "multiclass" else set())
        module: dict[str, object] = {}
        source = files["feature_repo/payment/transforms.py"]
        exec(compile(source, "transforms.py", "exec"), module)
        raw = {"rows": plan.subject.sample.rows.lazy()}
        start, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 4, tzinfo=UTC)
        rows = module["rows"](raw, start, end).collect()
        assert set(use_case.features.inputs) <= set(rows.columns)
        found = module["labels"](raw, start, end).collect()
        expected = labels[:3] if kind == "multiclass" else ["0", "1", "0"]
        assert found.sort("id")[use_case.label.column].to_list() == expected
        compile(files["feature_repo/payment/views.py"], "views.py", "exec")
        compile(files["expectations/payment.py"], "expectations.py", "exec")
        checked = subprocess.run(
            [sys.executable, "-m", "ruff", "format", "--check", f"--config={ROOT}/pyproject.toml",
             *(str(tmp_path / name) for name in files if name.endswith(".py"))],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert checked.returncode == 0, checked.stdout + checked.stderr
