"""The card: intervals, importance and limits that its own numbers bear, and old cards open."""

import json
from datetime import timedelta

import numpy as np
import pytest

from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from tasks.evaluation.problem_types import problem_type_of
from tasks.models.card import ModelCard
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import open_onnx_session, run_onnx
from tasks.reporting.model_card_text import list_limits, render_card
from tasks.training import holdout_metrics
from tasks.training.build_card import build_model_card
from tasks.training.fit import TrainingSplit, fit_candidate, split_training_rows
from tasks.training.onnx_export import ExportedModel, export_candidate
from tests.support.flights import END, january, quick_use_case

NEW_FIELDS = (
    "kind", "fitted_until", "intervals", "importance", "thin", "environment", "configuration",
)  # fmt: skip


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    flights = quick_use_case()
    split = flights.split.model_copy(update={"holdout": timedelta(days=8)})
    return flights.model_copy(update={"split": split})


@pytest.fixture(scope="module")
def parts(use_case: UseCase) -> TrainingSplit:
    return split_training_rows(use_case, january(), END)


@pytest.fixture(scope="module")
def exported(use_case: UseCase, parts: TrainingSplit) -> ExportedModel:
    return export_candidate(use_case, fit_candidate(use_case, "boosting", parts), parts)


@pytest.fixture(scope="module")
def card(use_case: UseCase, parts: TrainingSplit, exported: ExportedModel) -> ModelCard:
    return build_model_card(use_case, parts, [exported.fitted], exported, {"raw/schedules": 3})


def test_each_interval_holds_its_metric_and_is_wider_when_more_sure(
    use_case, parts, card, exported
):
    assert set(card.intervals) == set(problem_type_of(use_case).interval_metrics)
    for name, (low, high) in card.intervals.items():
        assert low < card.holdout[name] < high
    gate = use_case.gate.model_copy(update={"confidence": 0.5})
    session = open_onnx_session(exported.onnx)
    scores = run_onnx(session, build_matrix(parts.holdout, card.inputs))
    bold = use_case.model_copy(update={"gate": gate})
    for name, (low, high) in holdout_metrics.holdout_intervals(
        bold, parts.holdout, scores, card.threshold
    ).items():
        assert high - low < 0.7 * np.ptp(card.intervals[name])


def test_few_days_give_no_interval(use_case, parts):
    rows = parts.holdout.filter(parts.holdout["prediction_time"] >= END - timedelta(days=3))
    assert holdout_metrics.holdout_intervals(use_case, rows, np.full(rows.height, 0.3), 0.5) == {}


def test_importance_is_of_every_input_largest_first(card):
    assert set(card.importance) == set(card.inputs.inputs)
    sizes = list(card.importance.values())
    assert sizes == sorted(sizes, reverse=True)
    assert 0.01 < sizes[0] < 0.5


def test_every_slice_is_measured_or_told_to_be_too_small(use_case, parts, card):
    assert {each["rows"] < use_case.evaluation.slice_min_rows for each in card.thin} == {True}
    of_carrier = [e["rows"] for e in (*card.slices, *card.thin) if e["slice"] == "carrier"]
    assert sum(of_carrier) == parts.holdout.height


def test_a_card_of_before_still_opens_and_reads(card):
    old = json.loads(card.model_dump_json())
    for name in NEW_FIELDS:
        del old[name]
    opened = ModelCard.model_validate(old)
    assert opened.importance == {}
    assert "No intervals" in render_card(opened)


def test_limits_come_from_the_numbers(card):
    said = list_limits(card)
    assert "days, 2013-01-01 to 2013-01-13: less than a year" in said
    assert "a missed event as 3" in said
    assert "`carrier` (15 known)" in said
    assert f"{len(card.thin)} slices were too small" in said
    long = card.model_copy(update={"start": card.trained_until - timedelta(days=400), "thin": ()})
    assert "less than a year" not in list_limits(long)
    assert "too small" not in list_limits(long)


def test_the_card_carries_what_it_takes_to_train_it_again(use_case, card):
    flights = load_use_case("flights")
    written = json.loads(json.dumps(flights.model_dump(mode="json", by_alias=True)))
    assert UseCase.model_validate(written) == flights
    assert card.configuration == use_case.model_dump(mode="json", by_alias=True)
    assert card.environment["scikit-learn"]
    assert ModelCard.model_validate_json(card.model_dump_json()) == card
