"""Bundle of a version, and its handler."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from tasks.models.artifact import read_golden_inputs
from tasks.models.registry import Model, predict
from tasks.targets.bundle import build_bundle, list_targets
from tests.support.artifacts import fit_artifact, open_artifact
from tests.support.bundles import load_handler, write_bundle
from tests.support.flights import quick_use_case

FOREIGN = ["", "unseen", "␀", "None", "nan", "ü" * 300, 7, True, None]
NUMBERS = [None, float("nan"), float("inf"), -float("inf"), 1e300, 3.4e38, 5e-324, -0.0, 2**53 + 1,
           10**400, True, 0]  # fmt: skip


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    return quick_use_case()


@pytest.fixture(scope="module")
def model(use_case) -> Model:
    return open_artifact(fit_artifact(use_case, "boosting"), 7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, use_case, model) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle"), use_case, model)


@pytest.fixture(scope="module")
def handler(folder) -> ModuleType:
    return load_handler(folder)


@pytest.fixture(scope="module")
def opened(handler, folder):
    return handler.Bundle(folder)


def golden_rows(model: Model) -> list[dict]:
    names = model.card.inputs.inputs
    return read_golden_inputs(model.golden).select(names).to_dicts()


def test_golden_rows_are_predicted_as_by_the_version(model, opened):
    expected = predict(model, read_golden_inputs(model.golden))
    answers = opened.predict(golden_rows(model))
    np.testing.assert_array_equal([answer["probability"] for answer in answers], expected)
    assert [answer["decision"] for answer in answers] == (
        (expected >= model.card.threshold).tolist()
    )
    assert {answer["model_version"] for answer in answers} == {7}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_row_is_predicted_as_by_the_version(model, opened, data):
    schema, row = model.card.inputs, dict(golden_rows(model)[0])
    for name in data.draw(st.sets(st.sampled_from(schema.inputs))):
        values = NUMBERS if name in schema.numeric else FOREIGN
        row[name] = data.draw(st.sampled_from(values) | (
            st.floats() if name in schema.numeric else st.text(max_size=5)
        ))  # fmt: skip
    typed = {n: [_as_float(row[n])] for n in schema.numeric}
    texts = {n: [_as_text(row[n])] for n in schema.categorical}
    frame = pl.DataFrame(
        typed | texts, dict.fromkeys(typed, pl.Float64) | dict.fromkeys(texts, pl.String)
    )
    [answer] = opened.predict([row])
    assert answer["probability"] == predict(model, frame)[0]


def _as_float(value: object) -> float | None:
    try:
        return None if value is None else float(value)
    except OverflowError:
        return float("inf")


def _as_text(value: object) -> str | None:
    if value is None or value == "␀":  # stands for a missing category
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


WRONG = {
    "no row": (lambda _: [5], r"\$\[0\]: a row must be an object"),
    "a typo": (lambda row: [row, row | {"dep_dely": 1}], r"\$\[1\]\.dep_dely: no input has this"),
    "a text": (lambda row: [row | {"distance": "7"}], r"^\$\[0\]\.distance: expected a number"),
    "a list": (lambda row: [row | {"distance": [7]}], r"distance: expected a number, found list"),
    "no text": (lambda row: [row | {"carrier": {}}], r"carrier: expected text, found dict"),
    "missing": (lambda row: [{"distance": row["distance"]}], "the input is missing"),
    "too many": (lambda row: [row] * 10_001, "10001 rows are more than 10000"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_invalid_rows_are_named_with_their_field(model, handler, opened, wrong):
    change, message = WRONG[wrong]
    with pytest.raises(handler.BadRows, match=message):
        opened.predict(change(golden_rows(model)[0]))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"instances": 5}', b"\xff", b"[" * 100_000])
def test_a_body_without_rows_is_refused(handler, opened, body):
    with pytest.raises(handler.BadRows, match=r"^\$: the body"):
        opened.answer(body)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "harm"),
    [(name, harm) for name in ("model.onnx", "golden.jsonl") for harm in (cut, flip, Path.unlink)]
    + [("card.json", cut), ("card.json", Path.unlink)],  # a flipped bit of a text may mean the same
)
def test_a_damaged_file_is_refused(folder, handler, tmp_path, name, harm):
    copy = Path(shutil.copytree(folder, tmp_path / "b"))
    harm(copy / name)
    with pytest.raises(handler.BadBundle, match=name):
        handler.Bundle(copy)


def test_a_model_of_another_version_is_refused(folder, handler, tmp_path, use_case):
    copy = Path(shutil.copytree(folder, tmp_path / "b"))
    other = open_artifact(fit_artifact(use_case, "logistic"), 8)
    (copy / "model.onnx").write_bytes(build_bundle(use_case, other)["model.onnx"])
    with pytest.raises(handler.BadBundle, match="sha256"):
        handler.Bundle(copy)
    card = json.loads((copy / "card.json").read_text())
    card["digest"] = json.loads(build_bundle(use_case, other)["card.json"])["digest"]
    (copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(handler.BadBundle, match="golden rows are predicted differently"):
        handler.Bundle(copy)


def test_every_target_is_filled_and_an_unknown_one_refused(use_case, model):
    plain = build_bundle(use_case, model).keys()
    for target in list_targets():
        assert build_bundle(use_case, model, target).keys() > plain
    with pytest.raises(BadConfig, match="target nowhere not found; targets: "):
        build_bundle(use_case, model, "nowhere")


def test_requests_are_logged_once_and_named_when_closed(model, folder, handler, tmp_path):
    row = golden_rows(model)[0]
    logged = handler.Bundle(folder, tmp_path)
    logged.predict([row, row], request_id="r1", arm="challenger")
    logged.answer(json.dumps({"instances": [row | {"flight": 5}]}, allow_nan=False))
    assert [path.suffix for path in tmp_path.iterdir()] == [".tmp"]
    handler.Bundle(folder, tmp_path).close()  # leaves the file of a running process alone
    assert [path.suffix for path in tmp_path.iterdir()] == [".tmp"]
    logged.close()
    [path] = tmp_path.iterdir()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(r["row"], r["arm"]) for r in rows] == [
        (0, "challenger"),
        (1, "challenger"),
        (0, "champion"),
    ]
    assert rows[2]["keys"]["flight"] == 5
    assert rows[0]["request_id"] == "r1"
    assert rows[0]["value"] == opened_value(handler, folder, row)


def opened_value(handler, folder: Path, row: dict) -> float:
    return handler.Bundle(folder).predict([row])[0]["probability"]


KILLED = """
import json, os, signal, sys
from bundle import Bundle
row = json.loads(open("golden.jsonl").readline())["inputs"]
Bundle(".", sys.argv[1]).predict([row], request_id="answered")
os.write(os.open(next(os.scandir(sys.argv[1])).path, os.O_WRONLY | os.O_APPEND), b'{"half')
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_requests_of_a_killed_process_are_named_by_the_next(folder, handler, tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], cwd=folder, check=False)
    assert [path.suffix for path in tmp_path.iterdir()] == [".tmp"]
    handler.Bundle(folder, tmp_path)
    [path] = tmp_path.iterdir()
    assert path.suffix == ".jsonl"
    assert [json.loads(line)["request_id"] for line in path.read_text().splitlines()] == [
        "answered"
    ]


def test_the_handler_imports_numpy_and_onnxruntime_alone(folder):
    code = (
        "import sys; import numpy, onnxruntime; before = {n.split('.')[0] for n in sys.modules};"
        "import bundle; after = {n.split('.')[0] for n in sys.modules} - before - {'bundle'};"
        "print(sorted(after - sys.stdlib_module_names))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=os.environ | {"PYTHONPATH": ""},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == "[]"
