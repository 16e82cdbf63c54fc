"""Files of every library predict as their estimator, on rows that are made to differ."""

import numpy as np
import pytest

from tasks.models.onnx_session import open_onnx_session, run_onnx
from tasks.training.fit import predict_with_estimator
from tasks.training.learners.libraries import find_library, lower_to_float32
from tasks.training.learners.onnx_conversion import convert_to_onnx

DRAW = np.random.default_rng(0)
EXTREME = np.array([np.nan, 3e38, -3e38, 1e-45, 0, -0.0, 1e30, -1e-35], np.float32)


def draw_matrix(rows: int) -> np.ndarray:
    """Columns: heavy tails, neighbours in float32, codes, near zero, never missing in training."""
    lower = np.linspace(1, 100, 40).astype(np.float32)
    pairs = np.concatenate([lower, np.nextafter(lower, np.float32(np.inf))])
    matrix = np.column_stack([
        DRAW.normal(size=rows) * np.exp(DRAW.normal(size=rows)),
        DRAW.choice(pairs, rows),
        DRAW.integers(0, 6, rows),
        DRAW.choice(EXTREME[3:6], rows),
        DRAW.normal(size=rows) - 3,
    ]).astype(np.float32)  # fmt: skip
    matrix[DRAW.random(rows) < 0.05, 0] = np.nan
    return matrix


TRAIN = draw_matrix(1500)
SPOILED = draw_matrix(4000)
SPOILED[:2000] = np.where(
    DRAW.random((2000, 5)) < 0.3, DRAW.choice(EXTREME, (2000, 5)), SPOILED[:2000]
)
ODD = np.isin(TRAIN[:, 1], np.unique(TRAIN[:, 1])[1::2])  # neighbours differ in their label
SIGNAL = np.nan_to_num(TRAIN[:, 0]) + 2 * ODD + DRAW.normal(size=len(TRAIN))
LABELS = {
    "binary": (SIGNAL > 1).astype(np.int8),
    "multiclass": np.digitize(SIGNAL, [-0.5, 2]).astype(np.int8),
    "regression": np.exp(SIGNAL / 3),
}
LEARNERS = {
    "lightgbm": ("LGBMClassifier", "LGBMRegressor", {"n_estimators": 40, "num_leaves": 15}),
    "xgboost": ("XGBClassifier", "XGBRegressor", {"n_estimators": 40}),
    "catboost": ("CatBoostClassifier", "CatBoostRegressor", {"iterations": 40}),
    "sklearn.ensemble": (
        "HistGradientBoostingClassifier", "HistGradientBoostingRegressor", {"max_iter": 40},
    ),
}  # fmt: skip


def fit_learner(library: str, kind: str, **params: object) -> object:
    module = pytest.importorskip(library)
    classifier, regressor, least = LEARNERS[library]
    name = regressor if kind == "regression" else classifier
    defaults = find_library(module.__name__).defaults
    return getattr(module, name)(**{**defaults, **least, **params}).fit(TRAIN, LABELS[kind])


def max_difference(estimator: object) -> float:
    theirs = predict_with_estimator(estimator, SPOILED)
    ours = run_onnx(open_onnx_session(convert_to_onnx(estimator, TRAIN.shape[1])), SPOILED)
    return float(np.abs(ours - theirs).max() / max(1.0, np.abs(theirs).max()))


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("library", LEARNERS)
def test_a_converted_file_predicts_as_its_estimator(library, kind):
    assert max_difference(fit_learner(library, kind)) < 1e-6


@pytest.mark.parametrize(
    "params",
    [
        {"boosting_type": "dart"},
        {"use_missing": False},
        {"n_estimators": 1},
        {"num_leaves": 2},
        {"max_depth": 1, "min_child_samples": 800},  # no split at all
    ],
)
def test_lightgbm_of_other_settings_predicts_the_same(params):
    assert max_difference(fit_learner("lightgbm", "binary", **params)) < 1e-6


def test_one_estimator_of_lightgbm_gives_one_file_and_is_not_changed():
    fitted = fit_learner("lightgbm", "binary")
    before = fitted.booster_.model_to_string()
    assert convert_to_onnx(fitted, 5) == convert_to_onnx(fitted, 5)
    assert fitted.booster_.model_to_string() == before


def test_a_lowered_threshold_is_the_next_float32_at_or_below():
    exact = np.array([0.1, -0.1, 0.0, 1e-46, -1e-46, 1e-35, 2.0**24 + 1, 1e39, -3.5])
    lowered = lower_to_float32(exact)
    with np.errstate(over="ignore"):
        above = np.nextafter(lowered.astype(np.float32), np.float32(np.inf))
    assert (lowered <= exact).all()
    assert (above.astype(np.float64) > exact).all()
