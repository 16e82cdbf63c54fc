"""Numbers as labels: their metrics, their prices, their opponent, and in which unit they count."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from sklearn import metrics
from sklearn.linear_model import LogisticRegression, Ridge

from configs.errors import BadConfig, BadModel
from configs.schema.costs import Cost, ErrorCost
from configs.schema.promotion import Bake, Gate
from configs.schema.training import Candidate
from configs.schema.use_case import UseCase
from tasks.evaluation.blocks import assign_blocks, draw_blocks
from tasks.evaluation.bootstrap import (
    PairedPredictions,
    Predictions,
    block_metric,
    compare_models,
)
from tasks.evaluation.problem_types import PROBLEM_TYPES, problem_type_of
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import open_onnx_session, run_onnx
from tasks.monitoring.performance import join_labels, measure_rules
from tasks.promotion import gate_checks, gate_files
from tasks.training.fit import (
    TrainingSplit,
    choose_candidate,
    fit_candidate,
    learn_schema,
    split_training_rows,
)
from tasks.training.learners.estimators import build_estimator
from tasks.training.learners.onnx_conversion import convert_to_onnx
from tasks.training.onnx_export import export_candidate
from tests.support.delays import delays_use_case
from tests.support.flights import END, january_minutes

NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)
NUMBER, EVENT = PROBLEM_TYPES["regression"](), PROBLEM_TYPES["binary"]()
COST = ErrorCost(over=1, under=3)
INPUTS = {"numeric": ("distance", "departure_hour"), "categorical": ("carrier", "origin")}


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    case = delays_use_case()
    return case.model_copy(update={"features": case.features.model_copy(update=INPUTS)})


def draw_values_and_labels(n: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Labels with a long tail, and values that know something of them."""
    random = np.random.default_rng(0)
    value = random.gamma(2, 10, n)
    return value + random.normal(0, 15, n), value


@pytest.fixture(scope="module")
def parts(use_case: UseCase) -> TrainingSplit:
    """January's flights, labelled with minutes that follow from hour, distance and carrier."""
    rows, minutes = january_minutes(20, 3.0)
    return split_training_rows(use_case, rows.with_columns(delay=minutes), END)


def test_metrics_are_scikit_learns_and_the_gap_is_the_bias():
    y, p = draw_values_and_labels()
    found = NUMBER.evaluate(y, p, None, COST)
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(y, p))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(y, p))
    assert found["r2"] == pytest.approx(metrics.r2_score(y, p))
    assert found["calibration_gap"] == pytest.approx(p.mean() - y.mean())
    pinball = metrics.mean_pinball_loss(y, p, alpha=0.75)  # 3 of 4 parts for too little
    assert found["cost"] == pytest.approx(4 * pinball)
    assert np.isnan(NUMBER.evaluate([2.0, 2], [1.0, 2], None, COST)["r2"])


def test_an_error_costs_by_its_direction():
    label, decision = np.array([10.0, 10, 10]), np.array([12.0, 10, 7])
    assert NUMBER.measure_costs(label, decision, COST).tolist() == [2, 0, 9]


@pytest.mark.parametrize("metric", ["rmse", "mae", "cost"])
def test_baseline_is_the_best_constant(metric):
    y, _ = draw_values_and_labels(501)
    best = NUMBER.best_constant(metric, NUMBER.evaluate(y, y, None, COST))
    ours, *others = (
        NUMBER.evaluate(y, np.full(501, at), None, COST)[metric] for at in (best, *y, y.mean())
    )
    assert ours <= min(others) + 1e-9


def test_block_rmse_and_mae_equal_scikit_learn():
    y, p = draw_values_and_labels(500)
    times = pl.Series([NOON + timedelta(days=i % 20) for i in range(500)])
    block = assign_blocks(times, Gate(), 0)
    pair, draws = (
        PairedPredictions(y, block, 20, Predictions(p, p), Predictions(p, p), NUMBER),
        draw_blocks(20, 5, seed=1),
    )
    for subject, reference in (
        ("rmse", metrics.root_mean_squared_error),
        ("mae", metrics.mean_absolute_error),
    ):
        theirs = [reference(y, p, sample_weight=draw[block]) for draw in draws]
        np.testing.assert_allclose(
            block_metric(subject, pair, pair.challenger, COST)(draws), theirs
        )


def test_margins_are_told_in_standard_deviations_of_the_label(use_case):
    y, p = draw_values_and_labels()
    rows = pl.DataFrame({"delay": y, "prediction_time": [NOON + timedelta(days=i % 20) for i in
                                                         range(len(y))]})  # fmt: skip
    worse, bare = p - 0.1 * y.std(), use_case.evaluation.model_copy(update={"slices": ()})
    case = use_case.model_copy(update={"evaluation": bare})
    found = compare_models(case, rows, Predictions(worse, worse), Predictions(p, p))
    assert [of.unit for of in found] == pytest.approx([y.std(), 1.25 * y.std(), y.std()])
    assert [gate_checks.check_not_worse(of.subject, of, 0.0).verdict for of in found] == [
        "fail"
    ] * 3
    line = gate_checks.check_harm(Bake(margin=0.2, cost_margin=9), "rmse", found)[0]
    assert line.verdict == "pass"
    assert (
        gate_checks.check_harm(Bake(margin=0.001, cost_margin=9), "rmse", found)[0].verdict
        == "fail"
    )
    bias = {line.gate: line for line in gate_checks.check_comparison(case.gate, found)}[
        "calibration"
    ]
    assert bias.verdict == "fail"
    assert f"by more than {0.03 * y.std():.4g}" in bias.asked


def test_a_rule_is_bad_by_standard_deviations_of_the_holdout():
    case = delays_use_case()
    y, p = draw_values_and_labels()
    holdout = NUMBER.evaluate(y, p, None, case.evaluation.cost)
    since, end = NOON - timedelta(days=99), NOON + timedelta(days=7)
    times = [NOON + timedelta(days=i % 7) for i in range(len(y))]
    keys = {name: pl.Series(range(len(y))) for name in case.spine.key}
    scored = pl.DataFrame({**keys, "prediction_time": times, "prediction": p, "decision": p})
    known = pl.DataFrame({**keys, "delay": y})
    found = {}
    for by in (0.0, 1.0):
        off = scored.with_columns(pl.col("prediction") + by * y.std())
        for number in measure_rules(case, join_labels(case, off, known), holdout, None, since, end):
            found[number.subject, by] = number
    mae, gap = found["mae_1w", 0.0], found["calibration_gap_1w", 1.0]
    assert mae.threshold == pytest.approx(holdout["mae"] + 0.1 * y.std())
    assert gap.threshold == pytest.approx(abs(holdout["calibration_gap"]) + 0.3 * y.std())
    assert [n.verdict for n in found.values()] == ["ok", "ok", "page", "page"]


@pytest.mark.parametrize("name", ["ridge", "boosting"])
@pytest.mark.parametrize(("times", "plus"), [(1, 0), (1e5, 5e5), (1e-3, 0)])
def test_a_file_answers_like_its_estimator_in_any_unit(use_case, parts, name, times, plus):
    def scaled(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(pl.col("delay") * times + plus)

    own = replace(parts, train=scaled(parts.train), validation=scaled(parts.validation),
                  holdout=scaled(parts.holdout))  # fmt: skip
    fitted = fit_candidate(use_case, name, own)
    exported = export_candidate(use_case, fitted, own)
    assert exported.threshold is fitted.threshold is None
    assert 0 < exported.parity < use_case.gate.parity
    assert fitted.validation["r2"] > 0.1


def test_the_best_candidate_is_the_one_with_the_smallest_error(use_case, parts):
    fitted = [fit_candidate(use_case, name, parts) for name in use_case.candidates]
    best = choose_candidate(use_case, fitted)
    assert best.validation["rmse"] == min(each.validation["rmse"] for each in fitted)


def test_a_conversion_that_is_silently_wrong_is_refused(use_case, parts):
    """sklearn-onnx leaves the exponential out of boosting with a Poisson loss."""
    poisson = Candidate(
        estimator="sklearn.ensemble.HistGradientBoostingRegressor",
        params={"loss": "poisson", "max_iter": 20},
    )
    case = use_case.model_copy(update={"candidates": {"poisson": poisson}})
    counts = [part.with_columns(pl.col("delay").clip(1)) for part in
              (parts.train, parts.validation, parts.holdout)]  # fmt: skip
    own = replace(parts, train=counts[0], validation=counts[1], holdout=counts[2])
    with pytest.raises(BadModel, match="differs from the fitted one"):
        export_candidate(case, fit_candidate(case, "poisson", own), own)


def test_apart_is_a_share_of_the_largest_value():
    values = np.array([-200.0, 50])
    assert NUMBER.max_difference(values + 2, values) == pytest.approx(0.01)
    assert EVENT.max_difference(np.array([0.5]), np.array([0.4])) == pytest.approx(0.1)
    assert NUMBER.max_difference(values * np.nan, values) != 0
    assert (
        gate_files.check_golden_parity(NUMBER, values * np.nan, values, None, 1e-6).verdict
        == "fail"
    )
    assert gate_files.check_golden_rows(NUMBER, values * (1 + 1e-7), values, 1e-6).verdict == "pass"


@pytest.mark.parametrize(
    ("kind", "estimator"),
    [
        ("regression", "sklearn.linear_model.LogisticRegression"),
        ("binary", "sklearn.linear_model.Ridge"),
        ("binary", "sklearn.linear_model.Perceptron"),
        ("regression", "sklearn.cluster.KMeans"),
    ],
)
def test_an_estimator_of_another_kind_is_named(use_case, parts, kind, estimator):
    schema = learn_schema(use_case.features, parts.train)
    with pytest.raises(
        BadConfig, match=r"candidates.it.estimator: .* does not support the problem type " + kind
    ):
        build_estimator("it", Candidate(estimator=estimator), schema, 0, PROBLEM_TYPES[kind]())


def test_an_answer_is_the_last_column_of_either_output(parts, use_case):
    schema = learn_schema(use_case.features, parts.train)
    matrix = np.nan_to_num(build_matrix(parts.train, schema))
    late, delay = parts.train["late"].to_numpy(), parts.train["delay"].to_numpy()
    event, number = LogisticRegression(max_iter=500).fit(matrix, late), Ridge().fit(matrix, delay)
    for model, expected in ((event, event.predict_proba(matrix)[:, 1]),
                            (number, number.predict(matrix))):  # fmt: skip
        found = run_onnx(open_onnx_session(convert_to_onnx(model, matrix.shape[1])), matrix)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_each_kind_of_label_has_its_kind(use_case):
    assert isinstance(problem_type_of(use_case), PROBLEM_TYPES["regression"])
    assert NUMBER.can_compare(np.array([1.0])) and not EVENT.can_compare(np.array([1.0]))  # noqa: PT018
    with pytest.raises(AssertionError):
        NUMBER.evaluate([1.0], [1.0], None, Cost(false_positive=1, false_negative=1))
