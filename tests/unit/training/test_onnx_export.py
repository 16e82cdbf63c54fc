"""The exported model answers like the fitted one, on real rows, or is refused."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from configs.errors import BadModel
from tasks.evaluation.problem_types import PROBLEM_TYPES
from tasks.models.footprint import measure_footprint
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import open_onnx_session, run_onnx
from tasks.training.fit import FittedCandidate, TrainingSplit, fit_candidate, split_training_rows
from tasks.training.onnx_export import check_parity, convert_to_onnx, export_candidate
from tests.support.flights import END, january, quick_use_case

USE_CASE = quick_use_case()
BINARY = PROBLEM_TYPES["binary"]()


@pytest.fixture(scope="module")
def parts() -> TrainingSplit:
    return split_training_rows(USE_CASE, january(), END)


@pytest.fixture(scope="module", params=["logistic", "boosting"])
def fitted(request: pytest.FixtureRequest, parts: TrainingSplit) -> FittedCandidate:
    return fit_candidate(USE_CASE, request.param, parts)


def test_both_answer_alike_also_for_categories_and_numbers_never_seen(fitted, parts):
    session = open_onnx_session(convert_to_onnx(fitted.estimator, len(fitted.schema.inputs)))
    strange = parts.holdout.with_columns(
        carrier=None, dest=pl.lit("Mars"), distance=pl.lit(None, pl.Float64)
    )
    for rows in (parts.holdout, strange):
        matrix = build_matrix(rows, fitted.schema)
        np.testing.assert_allclose(
            run_onnx(session, matrix), fitted.predict(matrix), rtol=0, atol=1e-6
        )


def test_an_export_is_proved_and_keeps_its_threshold_to_a_hair(fitted, parts):
    exported = export_candidate(USE_CASE, fitted, parts)
    assert exported.parity <= USE_CASE.gate.parity
    assert exported.threshold == pytest.approx(fitted.threshold, abs=1e-4)


def test_one_estimator_gives_one_file(fitted):
    inputs = len(fitted.schema.inputs)
    assert convert_to_onnx(fitted.estimator, inputs) == convert_to_onnx(fitted.estimator, inputs)


def test_a_conversion_that_is_silently_wrong_is_refused(parts):
    """sklearn-onnx converts boosting with native categories to another model (its issue 1051)."""
    fitted = fit_candidate(USE_CASE, "boosting", parts)
    native = HistGradientBoostingClassifier(max_iter=20, categorical_features=[3, 4, 5])
    native.fit(build_matrix(parts.train, fitted.schema), parts.train["late"])
    with pytest.raises(BadModel, match="differs from the fitted one by up to 0"):
        export_candidate(USE_CASE, replace(fitted, estimator=native), parts)


def test_an_estimator_without_a_converter_is_named():
    model = DummyClassifier().fit(np.zeros((4, 2), np.float32), [0, 1, 0, 1])
    with pytest.raises(BadModel, match="DummyClassifier"):
        convert_to_onnx(model, 2)


def test_one_flipped_decision_or_a_nan_is_no_parity():
    with pytest.raises(BadModel, match="flips 1 of 2"):
        check_parity(BINARY, np.array([0.5, 0.1]), np.array([0.5 - 1e-9, 0.1]), 0.5, 1e-6)
    with pytest.raises(BadModel, match="differs"):
        check_parity(BINARY, np.array([np.nan]), np.array([0.1]), 0.5, 1e-6)
    assert check_parity(BINARY, np.array([0.5]), np.array([0.5]), 0.5, 1e-6) == 0


def test_chunks_change_no_answer(fitted, parts, monkeypatch):
    session = open_onnx_session(convert_to_onnx(fitted.estimator, len(fitted.schema.inputs)))
    matrix = build_matrix(parts.holdout, fitted.schema)
    whole = run_onnx(session, matrix)
    monkeypatch.setattr("tasks.models.onnx_session.ONNX_BATCH_ROWS", 100)
    np.testing.assert_array_equal(run_onnx(session, matrix), whole)
    assert run_onnx(session, matrix[:0]).shape == (0,)


def test_a_corrupted_file_is_refused(fitted):
    onnx = convert_to_onnx(fitted.estimator, len(fitted.schema.inputs))
    with pytest.raises(BadModel, match="cannot open"):
        open_onnx_session(onnx[: len(onnx) // 2])
    with pytest.raises(BadModel, match="cannot open"):
        open_onnx_session(b"no model")


def test_a_model_with_other_names_is_refused(fitted):
    kind = FloatTensorType([None, len(fitted.schema.inputs)])
    other = convert_sklearn(fitted.estimator, initial_types=[("x", kind)])
    with pytest.raises(BadModel, match="wants inputs"):
        open_onnx_session(other.SerializeToString())


def test_the_footprint_is_measured(fitted, parts):
    onnx = convert_to_onnx(fitted.estimator, len(fitted.schema.inputs))
    found = measure_footprint(onnx, build_matrix(parts.holdout, fitted.schema))
    assert found.bytes == len(onnx)
    assert 0 < found.latency_p50_us <= found.latency_p99_us
    assert found.rows_per_second > 1000
    assert 20 < found.peak_memory_mib < 1000


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("wrapped", [False, True])
def test_neighbours_in_float32_are_told_apart(seed, wrapped):
    """Halfway between two neighbours there is no float32: rounded up, a threshold is the upper."""
    draw = np.random.default_rng(seed)
    lower = draw.uniform(1, 100, 40).astype(np.float32)
    upper = np.nextafter(lower, np.float32(np.inf))
    matrix = draw.choice(np.concatenate([lower, upper]), (4000, 1))
    late = draw.uniform(size=4000) < np.where(np.isin(matrix[:, 0], upper), 0.8, 0.2)
    boosting = HistGradientBoostingClassifier(max_iter=10, min_samples_leaf=1)
    fitted = make_pipeline(SimpleImputer(), boosting) if wrapped else boosting
    fitted.fit(matrix, late)
    ours = run_onnx(open_onnx_session(convert_to_onnx(fitted, 1)), matrix)
    assert np.abs(ours - fitted.predict_proba(matrix)[:, 1]).max() < 1e-6
