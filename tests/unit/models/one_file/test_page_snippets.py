"""The snippets of docs/serving.md that open an exported model, in their own languages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest

from tasks.models.one_file.export import export_one_file
from tasks.models.registry import predict
from tests.support.artifacts import fit_artifact, open_artifact
from tests.support.flights import quick_use_case
from tests.support.page_code import read_code_block

PAGE, ROW = "serving.md", {"carrier": "UA", "distance": 1400.0}  # of the snippets


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A folder with model.onnx, and what the version predicts for the row of the snippets."""
    model = open_artifact(fit_artifact(quick_use_case(), "boosting"))
    folder = tmp_path_factory.mktemp("exported")
    (folder / "model.onnx").write_bytes(export_one_file(model, "columns").onnx)
    names, texts = model.card.inputs.inputs, model.card.inputs.categorical
    types = {name: pl.String() if name in texts else pl.Float64() for name in names}
    frame = pl.DataFrame({name: [ROW.get(name)] for name in names}, types)
    return folder, float(predict(model, frame)[0])


def test_the_snippet_in_python_predicts_as_the_version(exported, monkeypatch):
    folder, expected = exported
    monkeypatch.chdir(folder)
    found: dict[str, object] = {}
    exec(read_code_block(PAGE, "python"), found)
    outputs = found["outputs"]
    assert isinstance(outputs, dict)
    assert float(outputs["probability"][0, 0]) == pytest.approx(expected, abs=1e-6)
    assert outputs["decision"].shape == (1, 1)


@pytest.mark.slow
def test_the_snippet_in_node_predicts_as_the_version(exported):
    folder, expected = exported
    if not (node := shutil.which("node")) or not (npm := shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    install = [npm, "install", "--ignore-scripts", "--no-audit", "onnxruntime-node@1.30.0"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=280)
    (folder / "predict.js").write_text(read_code_block(PAGE, "javascript"))
    done = subprocess.run(
        [node, "predict.js"], cwd=folder, check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout)["probability"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_the_snippet_in_cpp_predicts_as_the_version(exported):
    """It needs the native package of ONNX Runtime, whose folder ONNXRUNTIME_ROOT names."""
    folder, expected = exported
    compiler, root = shutil.which("g++"), os.environ.get("ONNXRUNTIME_ROOT")
    if not compiler or not root:
        pytest.skip("g++ or ONNXRUNTIME_ROOT (with include/ and lib/) is missing")
    (folder / "predict.cpp").write_text(read_code_block(PAGE, "cpp"))
    built = [compiler, "-std=c++17", "predict.cpp", f"-I{root}/include", f"-L{root}/lib"]
    subprocess.run([*built, "-lonnxruntime", "-o", "predict"], cwd=folder, check=True)
    done = subprocess.run(
        ["./predict"], cwd=folder, check=True, capture_output=True, text=True,
        env={"LD_LIBRARY_PATH": f"{root}/lib"},
    )  # fmt: skip
    assert float(done.stdout) == pytest.approx(expected, abs=1e-6)
