"""`mainspring export`: the champion, or a version, as one file."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from tasks.ledger.log import Entry, open_ledger
from tasks.models.registry import register_version
from tests.support.artifacts import fit_artifact
from tests.support.flights import quick_use_case
from tests.support.ledger_entries import START
from tests.support.state import state as lies_in


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory):
    """A state whose second version is champion."""
    with lies_in(tmp_path_factory.mktemp("state"), {}):
        for name in ("logistic", "boosting"):
            version = register_version(fit_artifact(quick_use_case(), name), f"train:{name}")
        entry = Entry("flights", "promoted", "decision:2", START, "gate", version)
        open_ledger().record(entry)
        yield version


def export(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["export", *words])
    return result.exit_code, " ".join(result.output.split())


def test_export_writes_the_champion(champion, tmp_path: Path):
    target = tmp_path / "model.onnx"
    code, said = export("flights", str(target))
    assert code == 0, said
    assert f"version {champion} of flights" in said
    meta = onnxruntime.InferenceSession(target).get_modelmeta().custom_metadata_map
    assert (meta["use_case"], meta["layout"]) == ("flights", "columns")


def test_export_writes_a_version_in_a_layout(champion, tmp_path: Path):
    target = tmp_path / "old.onnx"
    code, said = export("flights", str(target), "--version", "1", "--layout", "blocks")
    assert code == 0, said
    assert "version 1 of flights" in said
    names = [each.name for each in onnxruntime.InferenceSession(target).get_inputs()]
    assert names == ["numeric", "categorical"]


def test_export_without_a_champion_asks_for_a_version(champion, tmp_path: Path):
    code, said = export("visits", str(tmp_path / "x.onnx"))
    assert code == 1
    assert "visits has no champion. Name a version" in said


def test_export_of_an_unknown_version_writes_nothing(champion, tmp_path: Path):
    code, said = export("flights", str(tmp_path / "x.onnx"), "--version", "9")
    assert code == 1
    assert "version 9 not found" in said
    assert not [*tmp_path.iterdir()]


def test_bundle_is_written_for_a_target(champion, tmp_path: Path):
    out = tmp_path / "a b"
    said = CliRunner().invoke(app, ["bundle", "flights", "--out", str(out), "--for", "lambda"])
    assert said.exit_code == 0, said.output
    assert f"version {champion} of flights for lambda" in " ".join(said.output.split())
    assert {"model.onnx", "card.json", "bundle.py", "app.py"} <= {p.name for p in out.iterdir()}


def test_bundle_names_the_targets_that_there_are(champion, tmp_path: Path):
    said = CliRunner().invoke(app, ["bundle", "flights", "--out", str(tmp_path), "--for", "moon"])
    assert said.exit_code != 0
    assert "target moon not found; targets: azureml, bentoml" in " ".join(said.output.split())
    assert list(tmp_path.iterdir()) == []
