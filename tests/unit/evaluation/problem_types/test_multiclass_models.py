"""Classes as labels in models, tables and replays: what is stored reads back the same."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from configs.errors import NoRows
from configs.schema.training import Candidate
from configs.schema.use_case import UseCase
from tasks.evaluation.prediction_columns import (
    DECISION,
    VALUE,
    to_prediction_array,
    to_prediction_column,
)
from tasks.models.onnx_session import open_onnx_session, run_onnx
from tasks.models.registry import predict
from tasks.models.row_contributions import explain_rows
from tasks.promotion.paired_rows import both_predictions, pair_rows
from tasks.replay import policy_metrics as replayed
from tasks.storage.chunks import spill_chunk
from tasks.storage.lake import Lake
from tasks.training.fit import TrainingSplit, fit_candidate, split_training_rows
from tasks.training.golden_rows import choose_golden_rows
from tasks.training.learners.onnx_conversion import convert_to_onnx
from tasks.training.onnx_export import export_candidate
from tests.support.artifacts import fit_artifact, open_artifact
from tests.support.class_predictions import KIND, THRESHOLD, draw_classes
from tests.support.flights import END, january_minutes
from tests.support.punctuality import classes_use_case

NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)
INPUTS = {"numeric": ("distance", "departure_hour"), "categorical": ("carrier", "origin")}


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    """Also a forest, whose probabilities are thirds: nothing but ties."""
    case = classes_use_case()
    forest = Candidate(
        estimator="sklearn.ensemble.RandomForestClassifier",
        params={"n_estimators": 3, "max_depth": 2, "n_jobs": 1},
    )
    boosting = case.candidates["boosting"].model_copy(
        update={"params": {"max_iter": 20, "min_samples_leaf": 20, "early_stopping": False}}
    )
    changes = {
        "features": case.features.model_copy(update=INPUTS),
        "candidates": {**case.candidates, "boosting": boosting, "forest": forest},
    }
    return case.model_copy(update=changes)


@pytest.fixture(scope="module")
def parts(use_case: UseCase) -> TrainingSplit:
    """January's flights, with classes that follow from hour, distance and carrier."""
    rows, minutes = january_minutes(8, 2.0)
    code = (minutes > 15).cast(pl.Int8) + (minutes > 30).cast(pl.Int8)
    return split_training_rows(use_case, rows.with_columns(arrival=code), END)


@pytest.mark.parametrize("name", ["logistic", "boosting", "forest"])
def test_a_file_answers_and_decides_like_its_estimator(use_case, parts, name):
    fitted = fit_candidate(use_case, name, parts)
    exported = export_candidate(use_case, fitted, parts)
    assert 0 < exported.parity < use_case.gate.parity
    assert fitted.validation["roc_auc"] > 0.6
    np.testing.assert_allclose(exported.threshold, fitted.threshold, atol=1e-3)
    golden = choose_golden_rows(exported, parts)
    assert to_prediction_array(golden["answer"]).shape == (64, 3)


@pytest.mark.parametrize("seed", range(3))
def test_boostings_neighbours_in_float32_are_told_apart(seed):
    """As with two classes; here every step has a tree a class."""
    draw = np.random.default_rng(seed)
    lower = draw.uniform(1, 100, 40).astype(np.float32)
    upper = np.nextafter(lower, np.float32(np.inf))
    matrix = draw.choice(np.concatenate([lower, upper]), (4000, 1))
    label = np.isin(matrix[:, 0], upper) * draw.integers(0, 3, 4000)
    fitted = HistGradientBoostingClassifier(max_iter=10, min_samples_leaf=1).fit(matrix, label)
    session = open_onnx_session(convert_to_onnx(fitted, 1))
    ours = run_onnx(session, matrix)
    assert np.abs(ours - fitted.predict_proba(matrix)).max() < 1e-6
    assert run_onnx(session, matrix[:0]).shape == (0, 3)


def test_contributions_add_up_to_the_decided_class(use_case, parts):
    model = open_artifact(fit_artifact(use_case, "boosting", parts))
    rows = parts.holdout.head(40)
    value = predict(model, rows)
    decided = KIND.decide(value, model.card.threshold)
    assert len(set(decided.tolist())) > 1
    found = explain_rows(model, rows, 64, 0)
    base = value[np.arange(40), decided] - found.sum(axis=1)
    mean = predict(model, model.golden).mean(axis=0)  # each golden row once
    np.testing.assert_allclose(base, mean[decided], rtol=0, atol=1e-9)


def test_a_class_that_was_never_seen_is_named(use_case, parts):
    rows = pl.concat([parts.train, parts.validation, parts.holdout])
    late = (pl.col("arrival") == 2) & (pl.col("prediction_time") < parts.validation_start)
    with pytest.raises(NoRows, match=r"has no row of class late \(`label.classes`\)\. Ingest more"):
        split_training_rows(use_case, rows.filter(~late), END)
    one = replace(parts, train=parts.train.filter(arrival=1))
    assert KIND.find_missing_classes(one.train["arrival"].to_numpy()) == ("early", "late")


def test_what_a_table_holds_reads_back(use_case, tmp_path: Path):
    """Whoever scores a window again finds what he found before."""
    _, p = draw_classes(50)
    decided = KIND.decide(p, THRESHOLD)
    rows = pl.DataFrame({"at": [NOON] * 50}).with_columns(
        to_prediction_column("probability", p), KIND.to_decision_column(decided)
    )
    lake, window = Lake(str(tmp_path)), (NOON, NOON + timedelta(days=1))
    assert lake.replace_window("it", rows, "at", window) == 0
    assert lake.replace_window("it", rows, "at", window) == 0
    found = lake.scan("it").collect()
    np.testing.assert_array_equal(to_prediction_array(found["probability"]), p)
    np.testing.assert_array_equal(KIND.to_decision_array(found["decision"]), decided)
    assert to_prediction_array(found["probability"].clear()).shape == (0, 0)


def test_parts_of_a_window_hold_lists_too(tmp_path: Path):
    """As partitions put them aside, and one commit takes them all."""
    _, p = draw_classes(40)
    days = [NOON + timedelta(days=number) for number in range(3)]
    whole = pl.DataFrame({"at": days[:2] * 20}).with_columns(to_prediction_column("probability", p))
    parts = [
        spill_chunk(span, whole.filter(at=span[0]), f"{tmp_path}/aside") for span in pairwise(days)
    ]
    lake = Lake(str(tmp_path))
    for _ in range(2):
        assert lake.replace_window("it", parts, "at", (days[0], days[2]), keys=["at"]) == 0
    assert lake.scan("it").collect().sort("at").equals(whole.sort("at", maintain_order=True))


def test_an_answer_with_nan_is_none(use_case):
    keys = {name: pl.Series(range(3)) for name in use_case.spine.key}
    given = pl.DataFrame(keys).with_columns(
        pl.lit(NOON).alias("prediction_time"),
        to_prediction_column("probability", draw_classes(3)[1]),
        pl.lit("late").alias("decision"),
        arm=pl.lit("champion"), __used=True, model_version=1,
    )  # fmt: skip
    broken = [[np.nan, 0.5, 0.5], None, [0.2, 0.3, 0.5]]
    other = given.with_columns(
        pl.Series("probability", broken), __used=pl.lit(value=False), model_version=2
    )
    rows = pair_rows(use_case, pl.concat([given, other]), 1, 2)
    assert rows.height == 1
    _, old = both_predictions(use_case, rows)
    assert (old.value[0].tolist(), old.decision[0]) == (broken[2], 2)
    assert both_predictions(use_case, rows.clear())[0].value.size == 0


def test_a_replay_measures_classes(use_case):
    y, p = draw_classes(600)
    rows = pl.DataFrame(
        {"arrival": y, "prediction_time": [NOON + timedelta(days=i % 6) for i in range(600)]}
    ).with_columns(
        to_prediction_column(VALUE, p),
        KIND.to_decision_column(KIND.decide(p, THRESHOLD)).alias(DECISION),
    )
    found = replayed.measure_policy(use_case, "it", rows, (NOON, NOON + timedelta(days=9)))
    numbers = {subject: value for _, _, _, subject, value, *_ in found}
    holdout = KIND.evaluate(y, p, THRESHOLD, use_case.evaluation.cost)
    expected = (holdout["log_loss"], holdout["cost"], holdout["calibration_gap"])
    assert tuple(numbers.values()) == pytest.approx(expected)
    assert replayed.measure_row_costs(use_case, rows).mean() == pytest.approx(holdout["cost"])
