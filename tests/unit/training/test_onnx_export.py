"""The exported model answers like the fitted one, on real rows, or is refused."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from configs.errors import BadModel
from tasks.evaluation.problem_types import PROBLEM_TYPES
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import open_onnx_session, run_onnx
from tasks.training.fit import fit_candidate
from tasks.training.learners.onnx_conversion import convert_to_onnx
from tasks.training.onnx_export import check_parity, export_candidate
from tests.support.flights import quick_use_case

USE_CASE = quick_use_case()
BINARY = PROBLEM_TYPES["binary"]()


def test_convert_to_onnx_predicts_the_same_for_unseen_values(fitted_flights, january_split):
    session = open_onnx_session(
        convert_to_onnx(fitted_flights.estimator, len(fitted_flights.schema.inputs))
    )
    strange = january_split.holdout.with_columns(
        carrier=None, dest=pl.lit("Mars"), distance=pl.lit(None, pl.Float64)
    )
    for rows in (january_split.holdout, strange):
        matrix = build_matrix(rows, fitted_flights.schema)
        np.testing.assert_allclose(
            run_onnx(session, matrix), fitted_flights.predict(matrix), rtol=0, atol=1e-6
        )


def test_an_export_is_proved_and_keeps_its_threshold_to_a_hair(fitted_flights, january_split):
    exported = export_candidate(USE_CASE, fitted_flights, january_split)
    assert exported.parity <= USE_CASE.gate.parity
    assert exported.threshold == pytest.approx(fitted_flights.threshold, abs=1e-4)


def test_one_estimator_gives_one_file(fitted_flights):
    inputs = len(fitted_flights.schema.inputs)
    assert convert_to_onnx(fitted_flights.estimator, inputs) == convert_to_onnx(
        fitted_flights.estimator, inputs
    )


def test_a_conversion_that_is_silently_wrong_is_refused(january_split):
    """sklearn-onnx converts boosting with native categories to another model (its issue 1051)."""
    fitted_flights = fit_candidate(USE_CASE, "boosting", january_split)
    native = HistGradientBoostingClassifier(max_iter=20, categorical_features=[3, 4, 5])
    native.fit(
        build_matrix(january_split.train, fitted_flights.schema), january_split.train["late"]
    )
    with pytest.raises(BadModel, match="differs from the fitted one by up to 0"):
        export_candidate(USE_CASE, replace(fitted_flights, estimator=native), january_split)


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
    fitted_flights = make_pipeline(SimpleImputer(), boosting) if wrapped else boosting
    fitted_flights.fit(matrix, late)
    ours = run_onnx(open_onnx_session(convert_to_onnx(fitted_flights, 1)), matrix)
    assert np.abs(ours - fitted_flights.predict_proba(matrix)[:, 1]).max() < 1e-6
