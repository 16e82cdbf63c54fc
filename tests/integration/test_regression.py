"""A number as label, from real flights to a rollback: the delay in minutes, not late or not."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from configs.schema.promotion import Ab
from configs.schema.use_case import UseCase
from flows.cli.views import explanation
from tasks.features import retrieval
from tasks.ledger.log import open_ledger
from tasks.ledger.state import read_ledger_state
from tasks.model_cards.page import write_card_page
from tasks.model_cards.text import render_card
from tasks.monitoring import history_chart, window
from tasks.monitoring.measurements import build_measurement_rows, save_measurements
from tasks.promotion import bake
from tasks.promotion.ab_test import read_arm_costs
from tasks.promotion.gate import decide_promotion
from tasks.rollout.prediction_log import PREDICTIONS
from tasks.rollout.state import find_rollout, plan_rollout
from tasks.scoring.explain import explain_prediction
from tasks.scoring.prediction_keys import format_key
from tasks.storage.lake import open_lake
from tasks.training import reproduce
from tasks.training.fit import TrainingSplit
from tests.support.decisions import gate_verdicts
from tests.support.delays import delays, delays_use_case
from tests.support.model_versions import (
    begin_anew,
    open_flights_version,
    record_event,
    score_and_read,
    two_versions,
)
from tests.support.printing import print_plain

pytestmark = pytest.mark.system

AS_OF, DAY = datetime(2013, 1, 17, tzinfo=UTC), timedelta(days=1)
END = AS_OF + 7 * DAY
WINDOW = (AS_OF, END)
BAKE = {"window": "14d", "min_rows": 500, "margin": 0.05, "slice_margin": 0.1}


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    return delays_use_case(bake=BAKE)


@pytest.fixture(scope="module", autouse=True)
def parts(use_case: UseCase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingSplit]:
    """The flights of January in the lake, and two versions: 1 ridge, 2 boosting."""
    folder = tmp_path_factory.mktemp("state")
    with two_versions(folder, use_case, delays, ("ridge", "boosting"), AS_OF, 17 * DAY) as split:
        yield split


@pytest.fixture(autouse=True)
def fresh(parts: TrainingSplit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begin_anew(monkeypatch, tmp_path)


def shift_predictions(table: str, version: int, by: float) -> None:
    """Make every answer of a version too large."""
    lake = open_lake("flights")
    off = pl.when(model_version=version).then(by).otherwise(0.0)
    answers = pl.col("prediction", "decision") + off
    rows = lake.scan(table).with_columns(answers).collect()
    lake.replace_window(table, rows, "prediction_time", WINDOW, keys=("carrier", "model_version"))


def test_a_version_knows_that_it_answers_minutes(parts):
    card = open_flights_version(2).card
    assert (card.kind, card.threshold) == ("regression", None)
    assert card.holdout["r2"] > 0
    assert card.holdout["rmse"] < card.holdout["label_std"] < 80
    assert set(card.intervals) == {"rmse", "mae", "calibration_gap", "cost"}
    for name, (low, high) in card.intervals.items():
        assert low < card.holdout[name] < high
    assert {each["value"] for each in card.slices} == {"EWR", "JFK", "LGA"}
    assert max(card.importance.values()) > 1  # minutes
    assert set(card.reference.columns) == {*card.inputs.inputs, "score"}
    assert card.parity < 1e-6


def test_its_page_speaks_of_numbers(parts):
    page = write_card_page(open_flights_version(2).card, 2, open_ledger().entries("flights"))
    text = Path(page.markdown).read_text()
    assert "predicts a number" in text
    assert "1.5 for each unit too low" in text
    assert "mean size of its contribution, label's unit" in render_card(
        open_flights_version(2).card
    )
    assert "probability" not in text
    assert "| rmse | mae |" in text


def test_the_first_champion_is_compared_with_the_best_constant(use_case, parts):
    """Half a minute better in six days of January is no proof; a tenth of the label's standard
    deviation (three and a half minutes) worse would be borne.
    """
    strict = decide_promotion(use_case, open_flights_version(2), None, parts.holdout, [])
    assert gate_verdicts(strict)["rmse"] == "fail"
    found = strict.evidence.differences["rmse"]
    spread = pytest.approx(parts.holdout["delay"].std(ddof=0))
    assert (found.champion, found.unit) == (spread, spread)
    assert found.low < 0 < found.improvement
    assert "the best constant" in json.dumps(strict.evidence.to_json())
    gate = use_case.gate.model_copy(update={"rule": "non_inferiority", "margin": 0.1})
    borne = use_case.model_copy(update={"gate": gate})
    asked = gate_verdicts(decide_promotion(borne, open_flights_version(2), None, parts.holdout, []))
    assert {asked[gate] for gate in ("rmse", "cost", "parity", "golden rows")} == {"pass"}


def test_gate_refuses_an_equal_and_a_far_worse_model(use_case, parts):
    assert (
        decide_promotion(
            use_case, open_flights_version(2), open_flights_version(2), parts.holdout, []
        ).verdict
        == "fail"
    )
    found = decide_promotion(
        use_case, open_flights_version(1), open_flights_version(2), parts.holdout, []
    )
    assert gate_verdicts(found)["rmse"] == "fail"


def test_predictions_are_numbers_and_the_decision_is_the_number(use_case):
    record_event("promoted", AS_OF - DAY, 2)
    rows = score_and_read(use_case, WINDOW)
    assert rows.columns[5:7] == ["prediction", "decision"]
    assert rows["prediction"].equals(rows["decision"].alias("prediction"))
    assert 5 < rows["prediction"].std() < 60
    before = open_lake("flights").version(PREDICTIONS)
    score_and_read(use_case, WINDOW)
    assert open_lake("flights").version(PREDICTIONS) == before


def test_the_monitor_judges_errors_and_drift_of_the_answers(use_case):
    record_event("promoted", AS_OF - DAY, 2)
    score_and_read(use_case, WINDOW)

    def measured() -> dict[str, float]:
        loaded = window.load_window(use_case, open_ledger().entries("flights"), END)
        numbers = window.measure_window(loaded)
        save_measurements(open_lake("flights"), build_measurement_rows(numbers, END, 2), END)
        return {(n.kind, n.subject): n for n in numbers}

    good = measured()
    assert good["performance", "mae_1w"].verdict == "ok"
    spread = open_flights_version(2).card.holdout["label_std"]
    mae = good["performance", "mae_1w"]
    assert mae.threshold == pytest.approx(mae.reference + 0.1 * spread)
    assert good["drift", "score"].value < 1
    shift_predictions(PREDICTIONS, 2, 60.0)
    bad = measured()
    assert bad["performance", "calibration_gap_1w"].verdict == "page"
    assert bad["performance", "mae_1w"].verdict == "page"
    assert bad["drift", "score"].verdict == "inform"
    assert bad["performance", "calibration_gap_1w"].value == pytest.approx(
        good["performance", "calibration_gap_1w"].value + 60
    )
    weeks = history_chart.read_window_metrics(use_case)
    assert weeks.columns == ["window_end", "model_version", "rmse", "mae", "cost", "coverage"]
    assert weeks["mae"].item() == pytest.approx(bad["performance", "mae"].value)
    assert len(history_chart.draw_year_chart(use_case)) > 10_000


@pytest.mark.parametrize(("by", "verdict"), [(0.0, "pass"), (60.0, "fail")])
def test_what_a_bake_shows_is_undone_or_not(use_case, by, verdict):
    record_event("promoted", AS_OF - 9 * DAY, 1)
    record_event("promoted", AS_OF, 2, bake_until=(AS_OF + 14 * DAY).isoformat())
    score_and_read(use_case, WINDOW)
    shift_predictions(PREDICTIONS, 2, by)
    baked = bake.evaluate_bake(use_case, read_ledger_state(open_ledger(), "flights"), END + DAY)
    assert baked is not None
    assert baked.decision.verdict == verdict, baked.decision.reason
    numbers = {n.subject: n for n in bake.bake_measurements(use_case, baked, END + DAY)}
    rmse = numbers["rmse"]
    spread = baked.decision.evidence.differences["rmse"].unit
    assert rmse.threshold == pytest.approx(rmse.reference + 0.05 * spread)
    assert (rmse.verdict == "page") == (verdict == "fail")


def test_an_ab_test_counts_what_errors_cost(use_case):
    case = use_case.model_copy(update={"rollout": Ab(share=0.5, rows=1000, unit=("carrier",))})
    record_event("promoted", AS_OF - 9 * DAY, 1)
    record_event("rollout_started", AS_OF, 2, **plan_rollout(case, 1).to_json())
    rows = score_and_read(case, WINDOW)
    rolls = find_rollout(open_ledger().entries("flights"))
    assert rolls is not None
    found = read_arm_costs(case, rolls, END + DAY)
    known = rows.join(retrieval.build_labels(case, *WINDOW, END + DAY), on=case.spine.key)
    error = (known["decision"] - known["delay"]).to_numpy()
    paid = np.where(error > 0, error, -1.5 * error)
    assert found["cost"].sum() == pytest.approx(paid.sum(), rel=0.02)  # the last day is not over


def test_a_prediction_is_explained_in_minutes(use_case):
    record_event("promoted", AS_OF - DAY, 2)
    row = score_and_read(use_case, WINDOW).row(100, named=True)
    key = format_key([row[name] for name in use_case.spine.key])
    found = explain_prediction(use_case, key, END + DAY)
    assert found.prediction.value == found.prediction.decision == row["prediction"]
    total = found.base + sum(each.contribution for each in found.inputs)
    assert total == pytest.approx(row["prediction"], rel=1e-6)
    assert isinstance(found.label, float)
    assert not found.notes
    assert "label's unit" in print_plain(explanation.render_explanation(found))
    assert json.dumps(asdict(found), default=str)


def test_the_same_file_is_the_same_answer_to_reproduce(use_case):
    it = open_flights_version(2)
    result = reproduce.RetrainResult(threshold=None, inputs=it.card.inputs, rows=it.card.rows)
    same = reproduce.compare_reproduction(it, it.onnx, result, "here", ())
    assert same.equal
    assert "the same predictions" in print_plain(explanation.render_reproduction(same))
    other = reproduce.compare_reproduction(it, open_flights_version(1).onnx, result, "here", ())
    assert not other.equal
    assert other.difference > 1e-3
