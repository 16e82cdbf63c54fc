"""The split never mixes times; candidates come from the YAML and are fitted the same each time."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from configs.errors import BadConfig, NoRows
from configs.schema.data import Features
from configs.schema.training import Candidate, Evaluation, Split
from configs.schema.use_case import UseCase
from tasks.evaluation.decision_thresholds import proven_threshold
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import open_onnx_session, run_onnx
from tasks.training.fit import (
    MAX_VOCABULARY,
    FittedCandidate,
    choose_candidate,
    find_empty_inputs,
    find_rare_values,
    fit_candidate,
    learn_schema,
    split_by_time,
    split_training_rows,
)
from tasks.training.onnx_export import export_candidate
from tests.support.flights import END, january, quick_use_case


@pytest.fixture
def use_case() -> UseCase:
    return quick_use_case()


@pytest.fixture
def frame() -> pl.DataFrame:
    return january()


@given(
    st.lists(st.integers(-60 * 24 * 40, 60 * 24 * 3), max_size=60),
    st.integers(1, 20),
    st.integers(1, 20),
)
def test_no_row_is_lost_or_in_a_part_of_another_time(minutes, validation, holdout):
    times = pl.Series("t", [END + timedelta(minutes=m) for m in minutes], pl.Datetime("us", "UTC"))
    frame = pl.DataFrame(
        {"t": times, "row": range(len(minutes))}, schema_overrides={"row": pl.Int64}
    )
    split = Split(validation=timedelta(days=validation), holdout=timedelta(days=holdout))
    parts = split_by_time(frame, "t", split, END)
    train, between, after = (p["t"] for p in (parts.train, parts.validation, parts.holdout))
    assert all(t < parts.validation_start for t in train)
    assert all(parts.validation_start <= t < parts.holdout_start for t in between)
    assert all(parts.holdout_start <= t < END for t in after)
    kept = [*parts.train["row"], *parts.validation["row"], *parts.holdout["row"]]
    assert sorted(kept) == [i for i, m in enumerate(minutes) if m < 0]


def test_rows_without_a_label_are_left_out(use_case, frame):
    some = frame.with_columns(late=pl.when(pl.col("carrier") != "AA").then("late"))
    parts = split_training_rows(use_case, some, END)
    assert "AA" not in parts.train["carrier"].to_list()


def test_too_few_rows_say_which_part_and_how_many(use_case, frame):
    with pytest.raises(NoRows, match=r"train span .* has 0 labelled rows"):
        split_training_rows(use_case, frame.tail(0), END)
    calm = frame.with_columns(
        late=pl.when(pl.col("prediction_time") >= END - timedelta(days=4)).then(0).otherwise("late")
    )
    with pytest.raises(NoRows, match=r"the holdout span .* with 1 values of 'late'"):
        split_training_rows(use_case, calm, END)


@pytest.mark.parametrize("name", ["logistic", "boosting"])
def test_a_candidate_learns_and_is_the_same_each_time(use_case, frame, name):
    parts = split_training_rows(use_case, frame, END)
    first, second = (fit_candidate(use_case, name, parts) for _ in range(2))
    matrix = build_matrix(parts.holdout, first.schema)
    np.testing.assert_array_equal(first.predict(matrix), second.predict(matrix))
    assert first.threshold == second.threshold
    assert roc_auc_score(parts.holdout["late"], first.predict(matrix)) > 0.6


def test_the_threshold_is_chosen_by_cost_on_validation_alone(use_case, frame):
    parts = split_training_rows(use_case, frame, END)
    fitted = fit_candidate(use_case, "logistic", parts)
    scores = fitted.predict(build_matrix(parts.validation, fitted.schema))
    cost, truth = use_case.evaluation.cost, parts.validation["late"]
    assert fitted.threshold == proven_threshold(truth, scores, cost)
    assert fitted.validation["cost"] < min(1 - truth.mean(), 3 * truth.mean())  # all, or none


def test_the_vocabulary_knows_only_the_train_part(use_case, frame):
    late = frame.with_columns(
        carrier=pl.when(pl.col("prediction_time") > END - timedelta(days=8))
        .then(pl.lit("NEW"))
        .otherwise("carrier")
    )
    fitted = fit_candidate(use_case, "logistic", split_training_rows(use_case, late, END))
    assert fitted.schema.vocabulary["carrier"] == tuple(frame["carrier"].unique().sort())


def fitted_with(**validation: float) -> FittedCandidate:
    return FittedCandidate("x", None, None, None, 0.5, validation, 0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(("metric", "best"), [("roc_auc", 1), ("brier", 0)])
def test_choose_candidate_follows_the_direction_of_the_metric(use_case, metric, best):
    evaluation = Evaluation(metric=metric, cost=use_case.evaluation.cost)
    tried = [fitted_with(roc_auc=0.6, brier=0.1), fitted_with(roc_auc=0.7, brier=0.2)]
    assert (
        choose_candidate(use_case.model_copy(update={"evaluation": evaluation}), tried)
        is tried[best]
    )


@pytest.mark.parametrize(
    ("estimator", "params", "field"),
    [
        ("sklearn.linear_model.Logistic", {}, "candidates.mine.estimator"),
        ("sklearn.nothing.Here", {}, "candidates.mine.estimator"),
        ("sklearn.linear_model.LogisticRegression", {"depth": 3}, "candidates.mine.params"),
    ],
)
def test_a_wrong_candidate_names_its_field(use_case, frame, estimator, params, field):
    wrong = Candidate(estimator=estimator, params=params)
    case = use_case.model_copy(update={"candidates": {"mine": wrong}})
    with pytest.raises(BadConfig, match=field):
        fit_candidate(case, "mine", split_training_rows(case, frame, END))


def test_learn_schema_keeps_the_most_frequent_values_of_a_large_category():
    levels = [f"sku-{number:06}" for number in range(5000)]
    frame = pl.DataFrame({"sku": levels + levels[4000:], "depot": ["a", "b"] * 3000})
    features = Features.model_construct(numeric=(), categorical=("sku", "depot"))
    schema = learn_schema(features, frame)
    assert schema.vocabulary["sku"] == tuple(levels[4000:])
    assert schema.vocabulary["depot"] == ("a", "b")
    assert find_rare_values(schema, frame) == {"sku": 4000}
    assert build_matrix(frame, schema)[:, 0].max() == MAX_VOCABULARY


@pytest.mark.parametrize("name", ["boosting", "logistic"])
@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_an_input_without_a_number_is_ignored(name, value):
    """The model trains, exports with parity, and predicts the same whatever the input is later."""
    case, rows = quick_use_case(), january()
    empty = case.features.numeric[0]
    cut = split_training_rows(case, rows, END).validation_start
    is_late = pl.col("prediction_time") >= cut
    changed = rows.with_columns(pl.when(is_late).then(pl.col(empty)).otherwise(value).alias(empty))
    parts = split_training_rows(case, changed, END)
    fitted = fit_candidate(case, name, parts)
    assert find_empty_inputs(fitted.schema, parts.train) == (empty,)
    exported = export_candidate(case, fitted, parts)
    session = open_onnx_session(exported.onnx)
    other = parts.holdout.with_columns(pl.col(empty) * 1000 + 7)
    predicted, again = (
        run_onnx(session, build_matrix(each, fitted.schema)) for each in (parts.holdout, other)
    )
    np.testing.assert_allclose(predicted, again, atol=1e-6)


@pytest.mark.parametrize(
    ("hours", "holdout", "validation", "sizes"),
    [
        (range(100), "10%", "5%", (85, 5, 10)),
        (range(100), "0.5%", "0.5%", (98, 1, 1)),
        (range(100), "50%", "49%", (1, 49, 50)),
        (range(200), "10%", "12h", (168, 12, 20)),
        (range(200), "12h", "10%", (168, 20, 12)),
        ([0] * 50 + [9] * 50, "10%", "10%", (0, 50, 50)),  # rows of one time stay together
        ([*range(90), *[199] * 10], "10%", "10%", (80, 10, 10)),  # a gap needs no longer span
        ([3], "10%", "10%", (0, 0, 1)),
        ([], "10%", "10%", (0, 0, 0)),
    ],
)
def test_shares_of_the_rows_split_like_spans(hours, holdout, validation, sizes):
    split = Split.model_validate({"holdout": holdout, "validation": validation})
    frame = pl.DataFrame(
        {"at": [END - timedelta(hours=200 - hour) for hour in reversed(hours)]},
        schema={"at": pl.Datetime("us", "UTC")},
    )
    parts = split_by_time(frame, "at", split, END)
    found = (parts.train, parts.validation, parts.holdout)
    assert tuple(part.height for part in found) == sizes
    assert parts.validation_start <= parts.holdout_start <= parts.end


@pytest.mark.parametrize("text", ["10%", "2.5%", "50%", "20d", "4w", "36h", "0.125%"])
def test_extents_are_written_as_they_are_read(text):
    split = Split.model_validate({"holdout": text})
    assert split.model_dump(mode="json")["holdout"] == text
    assert Split.model_validate(split.model_dump(mode="json")) == split
    assert Split.model_validate_json(split.model_dump_json()) == split


@pytest.mark.parametrize("text", ["0%", "51%", "100%", "-3%", "ten%", "10", "%", "0.6", 0.7])
def test_an_extent_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="like"):
        Split.model_validate({"holdout": text})
