"""Models as MLflow's users load them: named columns in, value and decision out."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import polars as pl
import polars.selectors as cs
import pytest

from tasks.models.artifact import read_golden_inputs
from tasks.models.mlflow.client import connect_mlflow
from tasks.models.registry import Model, open_model, predict, register_version, set_alias
from tests.support.artifacts import fit_artifact
from tests.support.flights import quick_use_case
from tests.support.spoiled_rows import make_spoiled_rows
from tests.support.state import state as lies_in

USE_CASE = quick_use_case()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory):
    """The champion of a state, as the product opens it."""
    with lies_in(tmp_path_factory.mktemp("state"), {}):
        version = register_version(fit_artifact(USE_CASE, "boosting"), "train:2013-01-21")
        set_alias(USE_CASE.name, "champion", version)
        yield open_model(USE_CASE.name, version)


def load() -> mlflow.pyfunc.PyFuncModel:
    connect_mlflow()
    return mlflow.pyfunc.load_model(f"models:/{USE_CASE.name}@champion")


def to_pandas(rows: pl.DataFrame) -> pd.DataFrame:
    """Rows of doubles, since MLflow takes no int64 for a number."""
    return rows.with_columns(cs.numeric().cast(pl.Float64)).to_pandas()


def assert_predicts_as(model: Model, rows: pl.DataFrame, said: pd.DataFrame) -> None:
    values = predict(model, rows)
    np.testing.assert_array_equal(said["probability"].astype(float), values)
    np.testing.assert_array_equal(said["decision"], values >= model.card.threshold)


def test_pyfunc_takes_named_columns_and_decides_as_the_version(model):
    rows = read_golden_inputs(model.golden)
    assert_predicts_as(model, rows, load().predict(to_pandas(rows)))


def test_pyfunc_takes_spoiled_rows_and_missing_categories(model):
    schema = model.card.inputs
    rows = make_spoiled_rows(schema, 500).with_columns(
        pl.col(schema.categorical).replace(["None", "nan"], None)
    )
    assert_predicts_as(model, rows, load().predict(to_pandas(rows)))


def test_pyfunc_says_what_it_takes_and_shows_an_example(model):
    loaded, inputs = load(), model.card.inputs
    assert loaded.metadata.get_input_schema().input_names() == [*inputs.inputs]
    assert loaded.metadata.get_output_schema().input_names() == ["probability", "decision"]
    example = loaded.input_example
    assert [*example.columns] == [*inputs.inputs]
    assert_predicts_as(model, read_golden_inputs(model.golden).head(3), loaded.predict(example))


def test_pyfunc_takes_a_column_of_nulls(model):
    name = model.card.inputs.categorical[0]
    rows = read_golden_inputs(model.golden)
    empty = rows.with_columns(pl.lit(None, pl.String).alias(name))
    assert_predicts_as(model, empty, load().predict(to_pandas(empty)))


def test_registered_graph_stays_the_file_of_the_version(model):
    source = connect_mlflow().get_model_version_download_uri(USE_CASE.name, "1")
    folder = Path(mlflow.artifacts.download_artifacts(source))
    assert (folder / "model.onnx").read_bytes() == model.onnx
    assert {path.name for path in folder.iterdir()} >= {"one_file.onnx", "MLmodel"}
