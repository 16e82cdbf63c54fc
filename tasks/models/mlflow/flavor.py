"""MLflow model of a version: the registered files, and a one-file model for MLflow's users.

MLflow calls `save_model` as that of a flavor. `mlflow.onnx.load_model` returns the registered
graph, `mlflow.pyfunc.load_model` the one-file model, which takes a frame of named columns.
Mainspring itself never loads a model through MLflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

from tasks.models.artifact import ModelArtifact, VersionFiles, read_golden_inputs, write_companions
from tasks.models.card import ModelCard
from tasks.models.one_file.graph import build_one_file
from tasks.models.one_file.inputs import MLFLOW_LAYOUT
from tasks.models.one_file.outputs import find_output_names

if TYPE_CHECKING:
    from mlflow.models import Model, ModelSignature
    from mlflow.models.model import ModelInfo
    from pandas import DataFrame

ONE_FILE = "one_file.onnx"
_EXAMPLE_ROWS = 3
# parity of both files holds on one thread
_SESSION = {"intra_op_num_threads": 1, "inter_op_num_threads": 1}


def log_mlflow_model(
    artifact: ModelArtifact, files: VersionFiles, pages: Mapping[str, str]
) -> ModelInfo:
    """Store a model in MLflow's active run.

    Args:
        artifact: the model.
        files: its files.
        pages: more text files to keep beside the model, by file name.
    """
    import sys

    from mlflow.models import Model

    flavor = sys.modules[__name__]
    name = f"{artifact.card.use_case}-{artifact.card.end:%Y-%m-%d}-{artifact.card.algorithm}"
    return Model.log(None, flavor, name=name, artifact=artifact, files=files, pages=pages)


def save_model(
    path: str,
    mlflow_model: Model,
    *,
    artifact: ModelArtifact,
    files: VersionFiles,
    pages: Mapping[str, str],
    **_given_by_mlflow: object,
) -> None:
    """Write a model into a new folder, in MLflow's format.

    Args:
        path: the folder.
        mlflow_model: the description that MLflow fills; it is written as MLmodel.
        artifact: the model.
        files: its files.
        pages: more text files, by file name.
    """
    import mlflow
    from onnx import load_model_from_string

    with TemporaryDirectory() as folder:
        extra = write_companions(files, Path(folder))
        for name, text in pages.items():
            extra.append(Path(folder, name))
            extra[-1].write_text(text)
        mlflow.onnx.save_model(
            load_model_from_string(artifact.onnx),
            path,
            mlflow_model=mlflow_model,
            signature=build_signature(artifact.card),
            input_example=build_input_example(artifact),
            # pinned: inferring them takes 6 to 10 seconds
            pip_requirements=["onnxruntime", "numpy"],
            onnx_execution_providers=["CPUExecutionProvider"],
            onnx_session_options=_SESSION,
            save_as_external_data=False,
            extra_files=[str(each) for each in extra],
        )
    Path(path, ONE_FILE).write_bytes(build_one_file(artifact.onnx, artifact.card, MLFLOW_LAYOUT))
    mlflow_model.flavors["python_function"]["data"] = ONE_FILE
    mlflow_model.save(str(Path(path, "MLmodel")))


def build_signature(card: ModelCard) -> ModelSignature:
    """Return the columns that the one-file model takes and those that it returns."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    # MLflow refuses pandas' own float64 where the signature says float
    numbers = [ColSpec("double", name, required=False) for name in card.inputs.numeric]
    texts = [ColSpec("string", name, required=False) for name in card.inputs.categorical]
    names = find_output_names(card, "vectors")
    outputs = [ColSpec("float", name) for name in names.values]
    if names.decision is not None:
        kind = "string" if card.kind == "multiclass" else "boolean"
        outputs.append(ColSpec(kind, names.decision))
    return ModelSignature(Schema([*numbers, *texts]), Schema(outputs))


def build_input_example(artifact: ModelArtifact) -> DataFrame:
    """Return a few golden rows as MLflow's users pass them."""
    rows, schema = read_golden_inputs(artifact.golden).head(_EXAMPLE_ROWS), artifact.card.inputs
    numbers = pl.col(schema.numeric).cast(pl.Float64)
    return rows.select(numbers, pl.col(schema.categorical).cast(pl.String)).to_pandas()
