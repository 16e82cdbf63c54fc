"""One-file models: the same value and decision as the registered file, in every layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import polars as pl
import pytest
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from configs.errors import BadModel
from tasks.evaluation.problem_types import recorded_problem_type
from tasks.models.card import ModelCard
from tasks.models.matrix import InputSchema, build_matrix
from tasks.models.one_file.graph import build_one_file
from tasks.models.one_file.inputs import LAYOUTS, MISSING_CATEGORY, Layout, to_one_file_inputs
from tasks.models.one_file.outputs import OutputNames, find_output_names
from tasks.models.onnx_session import open_onnx_session, run_onnx
from tasks.training.learners.onnx_conversion import convert_to_onnx
from tests.support.spoiled_rows import make_spoiled_rows

VOCABULARY = {"carrier": ("AA", "A", "é"), "where": ("", "LGA"), "empty": ()}
SCHEMA = InputSchema(
    numeric=("delay", "distance"), categorical=(*VOCABULARY,), vocabulary=VOCABULARY
)
CLASSES = ("early", "on time", "late")
PRICES = ((0.0, 1.0, 3.0), (1.0, 0.0, 1.0), (5.0, 2.0, 0.0))
# the names of our own outputs and of nodes inside the graph
HOSTILE = InputSchema(
    numeric=("probability", "inputs", "model/x", "model/numbers"),
    categorical=("decision", "label", "categorical"),
    vocabulary={"decision": ("a",), "label": ("b", "c"), "categorical": ("d",)},
)
ONLY_NUMBERS = InputSchema(numeric=("a",), categorical=(), vocabulary={})
ONLY_TEXTS = InputSchema(numeric=(), categorical=("b",), vocabulary={"b": ("x", "y")})
BOOSTING = {"max_iter": 20, "min_samples_leaf": 5}
ESTIMATORS = {
    "boosting": (HistGradientBoostingClassifier(**BOOSTING), "binary"),
    "forest": (RandomForestClassifier(n_estimators=20), "binary"),
    "boosting of classes": (HistGradientBoostingClassifier(**BOOSTING), "multiclass"),
    "forest of classes": (RandomForestClassifier(n_estimators=20), "multiclass"),
    "boosting of numbers": (HistGradientBoostingRegressor(**BOOSTING), "regression"),
}
LINEAR = {  # they take no NaN
    "logistic": (make_pipeline(StandardScaler(), LogisticRegression()), "binary"),
    "logistic of classes": (LogisticRegression(), "multiclass"),
    "ridge": (Ridge(), "regression"),
}


def fit(estimator: Any, kind: Any, schema: InputSchema, *, clean: bool) -> tuple[bytes, ModelCard]:
    """A registered file and as much of its card as a one-file model takes."""
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(500, len(schema.inputs))).astype(np.float32)
    if not clean:
        matrix[rng.random(matrix.shape) < 0.1] = np.nan
    label = rng.integers(0, {"binary": 2, "multiclass": 3}.get(kind, 100), 500)
    estimator.fit(np.nan_to_num(matrix) if clean else matrix, label)
    threshold = {"binary": 0.5, "multiclass": PRICES}.get(kind)
    classes = CLASSES if kind == "multiclass" else ()
    card = ModelCard.model_construct(
        use_case="flights", kind=kind, classes=classes, threshold=threshold, inputs=schema,
        digest="0" * 64,
    )  # fmt: skip
    return convert_to_onnx(estimator, len(schema.inputs)), card


def predict_one_file(
    onnx: bytes, card: ModelCard, rows: pl.DataFrame, layout: Layout
) -> dict[str, np.ndarray]:
    """The outputs of a one-file model on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(build_one_file(onnx, card, layout), options)
    names = [output.name for output in session.get_outputs()]
    found = session.run(names, to_one_file_inputs(rows, card, layout))
    return dict(zip(names, found, strict=True))


def assert_one_file_predicts_the_same(
    onnx: bytes, card: ModelCard, rows: pl.DataFrame, layout: Layout
) -> None:
    """Values are equal to the bit, and so are decisions."""
    if layout == "vectors":  # which takes these texts for nulls of pandas
        rows = rows.with_columns(pl.col(pl.String).replace(["None", "nan"], None))
    registered = run_onnx(open_onnx_session(onnx), build_matrix(rows, card.inputs))
    names, found = find_output_names(card, layout), predict_one_file(onnx, card, rows, layout)
    assert list(found) == [*names.values, *([names.decision] if names.decision else [])]
    value = np.column_stack([found[name].astype(np.float64) for name in names.values])
    np.testing.assert_array_equal(value.reshape(registered.shape), registered)
    if names.decision is None:
        return
    kind = recorded_problem_type(card)
    decided = kind.to_decision_column(kind.decide(registered, card.threshold)).to_list()
    assert found[names.decision].ravel().tolist() == decided


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_one_file_predicts_spoiled_rows_as_the_registered_file(name, layout):
    onnx, card = fit(*ESTIMATORS[name], SCHEMA, clean=False)
    assert_one_file_predicts_the_same(onnx, card, make_spoiled_rows(SCHEMA, 3000), layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", LINEAR)
def test_one_file_of_a_linear_model_predicts_the_same(name, layout):
    onnx, card = fit(*LINEAR[name], SCHEMA, clean=True)
    rows = make_spoiled_rows(SCHEMA, 500).with_columns(
        pl.col(SCHEMA.numeric).fill_null(0).replace([np.nan, np.inf, -np.inf], 0).clip(-1e4, 1e4)
    )
    assert_one_file_predicts_the_same(onnx, card, rows, layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("schema", [HOSTILE, ONLY_NUMBERS, ONLY_TEXTS])
def test_one_file_takes_any_names_and_either_kind_of_input(schema, layout):
    onnx, card = fit(*ESTIMATORS["boosting"], schema, clean=False)
    assert_one_file_predicts_the_same(onnx, card, make_spoiled_rows(schema, 200), layout)


def test_a_null_of_pandas_is_missing_where_mlflow_passes_it():
    onnx, card = fit(*ESTIMATORS["boosting"], SCHEMA, clean=False)
    rows = make_spoiled_rows(SCHEMA, 50).with_columns(carrier=pl.lit(None, pl.String))
    missing = predict_one_file(onnx, card, rows, "vectors")
    for text in ("None", "nan", "<NA>"):
        texts = rows.with_columns(carrier=pl.lit(text))
        assert predict_one_file(onnx, card, texts, "vectors")["probability"].tolist() == (
            missing["probability"].tolist()
        )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_file_predicts_one_row_and_none(layout):
    onnx, card = fit(*ESTIMATORS["boosting"], SCHEMA, clean=False)
    rows = make_spoiled_rows(SCHEMA, 1)
    assert_one_file_predicts_the_same(onnx, card, rows, layout)
    assert_one_file_predicts_the_same(onnx, card, rows.clear(), layout)


def test_find_output_names_keeps_apart_from_inputs():
    _, card = fit(*ESTIMATORS["boosting"], HOSTILE, clean=False)
    names = find_output_names(card)
    assert names == OutputNames(("__probability",), "__decision")


def test_one_file_says_of_which_version_it_is():
    onnx, card = fit(*ESTIMATORS["boosting"], SCHEMA, clean=False)
    session = onnxruntime.InferenceSession(build_one_file(onnx, card))
    said = session.get_modelmeta().custom_metadata_map
    assert (said["use_case"], said["digest"]) == ("flights", card.digest)
    assert said["missing_category"] == MISSING_CATEGORY
    assert [i.name for i in session.get_inputs()] == [*SCHEMA.inputs]


def test_a_vocabulary_with_the_text_for_missing_is_refused():
    texts = {"b": ("x", MISSING_CATEGORY)}
    schema = InputSchema(numeric=(), categorical=("b",), vocabulary=texts)
    onnx, card = fit(*ESTIMATORS["boosting"], schema, clean=False)
    with pytest.raises(BadModel, match="stands for a missing value"):
        build_one_file(onnx, card)


def test_rows_without_an_input_are_refused():
    _, card = fit(*ESTIMATORS["boosting"], SCHEMA, clean=False)
    with pytest.raises(BadModel, match="lack inputs of the model: distance"):
        to_one_file_inputs(make_spoiled_rows(SCHEMA, 3).drop("distance"), card)
