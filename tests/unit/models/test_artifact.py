"""The three files of a model version."""

from dataclasses import replace

import polars as pl
import pytest

from configs.errors import BadModel
from tasks.models.artifact import (
    CARD_FILE,
    MAX_FILE_BYTES,
    ONNX_FILE,
    ModelArtifact,
    pack_artifact,
    parse_artifact,
    read_version_files,
    write_artifact,
)


@pytest.fixture
def artifact(holdout_card):
    return ModelArtifact(b"onnx", holdout_card, pl.DataFrame({"x": [1.0]}))


def test_read_artifact_returns_what_was_written(artifact, tmp_path):
    files = pack_artifact(artifact)
    write_artifact(files, tmp_path)
    assert read_version_files(tmp_path, "flights 1") == files
    read = parse_artifact(files, "flights 1")
    assert (read.onnx, read.card) == (artifact.onnx, artifact.card)
    assert read.golden.equals(artifact.golden)


def test_read_artifact_names_a_missing_and_an_invalid_file(artifact, tmp_path):
    write_artifact(pack_artifact(artifact), tmp_path)
    (tmp_path / CARD_FILE).write_text("{}")
    with pytest.raises(BadModel, match=r"flights 1: card\.json is invalid"):
        parse_artifact(read_version_files(tmp_path, "flights 1"), "flights 1")
    (tmp_path / CARD_FILE).unlink()
    with pytest.raises(BadModel, match=r"flights 1: card\.json not found"):
        read_version_files(tmp_path, "flights 1")


def test_read_version_files_reads_no_file_above_the_limit(artifact, tmp_path):
    write_artifact(pack_artifact(artifact), tmp_path)
    with (tmp_path / ONNX_FILE).open("r+b") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # sparse: it takes no room
    with pytest.raises(BadModel, match=r"model\.onnx has 536,870,913 bytes"):
        read_version_files(tmp_path, "flights 1")


@pytest.mark.parametrize("golden", [b"", b"PAR1", b"no parquet", b"\x00" * 4096])
def test_golden_rows_that_are_no_parquet_are_named(artifact, golden):
    files = replace(pack_artifact(artifact), golden=golden)
    with pytest.raises(BadModel, match=r"golden\.parquet is no Parquet file"):
        parse_artifact(files, "flights 1")
