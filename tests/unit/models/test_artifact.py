"""The three files of a model version."""

import polars as pl
import pytest

from configs.errors import BadModel
from tasks.models.artifact import CARD_FILE, ModelArtifact, read_artifact, write_artifact


@pytest.fixture
def artifact(holdout_card):
    return ModelArtifact(b"onnx", holdout_card, pl.DataFrame({"x": [1.0]}))


def test_read_artifact_returns_what_was_written(artifact, tmp_path):
    write_artifact(artifact, tmp_path)
    read = read_artifact(tmp_path, "flights 1")
    assert (read.onnx, read.card) == (artifact.onnx, artifact.card)
    assert read.golden.equals(artifact.golden)


def test_read_artifact_names_a_missing_and_an_invalid_file(artifact, tmp_path):
    write_artifact(artifact, tmp_path)
    (tmp_path / CARD_FILE).write_text("{}")
    with pytest.raises(BadModel, match=r"flights 1: card\.json"):
        read_artifact(tmp_path, "flights 1")
    (tmp_path / CARD_FILE).unlink()
    with pytest.raises(BadModel, match=r"flights 1: card\.json"):
        read_artifact(tmp_path, "flights 1")
