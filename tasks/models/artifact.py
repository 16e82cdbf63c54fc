"""The files of a model version: ONNX file, model card and golden rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from configs.errors import BadModel
from configs.schema.names import own_name
from tasks.evaluation.metrics import Floats
from tasks.evaluation.prediction_columns import to_prediction_array
from tasks.ledger.file_digests import FileDigests
from tasks.models.card import ModelCard

ONNX_FILE, CARD_FILE, GOLDEN_FILE = "model.onnx", "card.json", "golden.parquet"
MAX_FILE_BYTES = 512 * 2**20  # of each file of a version; larger ones are not read
GOLDEN_ONNX = "answer"  # column of the golden rows: prediction of the ONNX file
GOLDEN_ESTIMATOR = "fitted"  # column of the golden rows: prediction of the estimator
# both begin with `__` if an input has the name


@dataclass(frozen=True)
class ModelArtifact:
    """A trained model as it is registered.

    `golden` holds input rows (rows, inputs) with the outputs of ONNX file and estimator.
    """

    onnx: bytes
    card: ModelCard
    golden: pl.DataFrame


def read_golden_predictions(golden: pl.DataFrame, column: str) -> Floats:
    """Return the predictions of golden rows: of the ONNX file, or of the estimator."""
    return to_prediction_array(golden[own_name(column, read_golden_inputs(golden).columns)])


def read_golden_inputs(golden: pl.DataFrame) -> pl.DataFrame:
    """Return the input rows of golden rows."""
    return golden.select(golden.columns[:-2])  # the two predictions come last


@dataclass(frozen=True)
class VersionFiles:
    """The three files of a version, as bytes."""

    onnx: bytes
    card: bytes
    golden: bytes

    @cached_property
    def digests(self) -> FileDigests:
        """The sha256 of each file."""
        onnx, card, golden = (
            sha256(content).hexdigest() for content in (self.onnx, self.card, self.golden)
        )
        return FileDigests(onnx=onnx, card=card, golden=golden)


def pack_artifact(artifact: ModelArtifact) -> VersionFiles:
    """Return the files of an artifact."""
    golden = BytesIO()
    artifact.golden.write_parquet(golden)
    card = artifact.card.model_dump_json(indent=1).encode()
    return VersionFiles(artifact.onnx, card, golden.getvalue())


def parse_artifact(files: VersionFiles, name: str) -> ModelArtifact:
    """Return the artifact of a version's files; raise BadModel if a file is invalid.

    Args:
        files: the files that were read.
        name: the version, for error messages.
    """
    try:
        card = ModelCard.model_validate_json(files.card)
    except ValidationError as invalid:
        raise BadModel(f"{name}: {CARD_FILE} is invalid: {invalid}") from invalid
    try:
        golden = pl.read_parquet(files.golden)
    except (Exception, pl.exceptions.PanicException) as invalid:  # polars has many error types
        raise BadModel(f"{name}: {GOLDEN_FILE} is no Parquet file: {invalid}") from invalid
    return ModelArtifact(files.onnx, card, golden)


def write_artifact(files: VersionFiles, folder: Path) -> None:
    """Write the three files into an existing folder."""
    (folder / ONNX_FILE).write_bytes(files.onnx)
    write_companions(files, folder)


def write_companions(files: VersionFiles, folder: Path) -> list[Path]:
    """Write model card and golden rows into `folder`; return their paths."""
    card, golden = folder / CARD_FILE, folder / GOLDEN_FILE
    card.write_bytes(files.card)
    golden.write_bytes(files.golden)
    return [card, golden]


def read_version_files(folder: Path, name: str, companions: str = ".") -> VersionFiles:
    """Read the three files of a version.

    Args:
        folder: where the ONNX file is.
        name: the version, for error messages.
        companions: the folder of card and golden rows, relative to `folder`.

    Raises:
        BadModel: a file is missing or too large.
    """
    paths = (folder / ONNX_FILE, folder / companions / CARD_FILE, folder / companions / GOLDEN_FILE)
    return VersionFiles(*(_read_bytes(path, name) for path in paths))


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise BadModel(
                f"{name}: {path.name} has {size:,} bytes, more than {MAX_FILE_BYTES:,}. Train a "
                "smaller model"
            )
        return path.read_bytes()
    except OSError as missing:
        raise BadModel(f"{name}: {path.name} not found: {missing.strerror}") from missing
