"""Classes as label, from real flights to a rollback: will it arrive early, on time or late?"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from configs.errors import BadConfig
from configs.schema.promotion import Ab
from configs.schema.use_case import UseCase
from feature_repo.flights import transforms
from flows.cli.views import explanation
from tasks.checks.feature_module import check_feature_module
from tasks.features import retrieval
from tasks.ledger.log import open_ledger
from tasks.ledger.state import read_ledger_state
from tasks.model_cards.page import write_card_page
from tasks.model_cards.text import render_card
from tasks.models.registry import with_model_features
from tasks.monitoring import history_chart, window
from tasks.monitoring.measurements import build_measurement_rows, save_measurements
from tasks.promotion import bake
from tasks.promotion.ab_test import read_arm_costs
from tasks.promotion.gate import decide_promotion
from tasks.rollout.prediction_log import PREDICTIONS
from tasks.rollout.state import find_rollout, plan_rollout
from tasks.scoring import contributions
from tasks.scoring.explain import explain_prediction
from tasks.scoring.prediction_keys import format_key
from tasks.storage.lake import open_lake
from tasks.training import reproduce
from tasks.training.fit import TrainingSplit
from tests.support import model_versions
from tests.support.decisions import gate_verdicts
from tests.support.model_versions import (
    begin_anew,
    open_flights_version,
    record_event,
    score_and_read,
    two_versions,
)
from tests.support.printing import print_plain
from tests.support.punctuality import CLASSES, arrivals, classes_use_case

pytestmark = pytest.mark.system

AS_OF, DAY = datetime(2013, 1, 24, tzinfo=UTC), timedelta(days=1)
END = AS_OF + 7 * DAY
WINDOW = (AS_OF, END)
BAKE = {"window": "14d", "min_rows": 500, "margin": 0.05, "slice_margin": 0.1}


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    return classes_use_case(bake=BAKE)


@pytest.fixture(scope="module", autouse=True)
def parts(use_case: UseCase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingSplit]:
    """The flights of January in the lake, and two versions: 1 boosting, 2 logistic."""
    folder = tmp_path_factory.mktemp("state")
    with two_versions(
        folder, use_case, arrivals, ("boosting", "logistic"), AS_OF, 24 * DAY
    ) as split:
        yield split


@pytest.fixture(autouse=True)
def fresh(parts: TrainingSplit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begin_anew(monkeypatch, tmp_path)


def make_always_early(table: str, version: int) -> None:
    """Let a version be sure that every flight comes early."""
    lake, mine = open_lake("flights"), pl.col("model_version") == version
    sure = pl.lit([0.9, 0.05, 0.05], pl.List(pl.Float64))
    rows = lake.scan(table).with_columns(
        probability=pl.when(mine).then(sure).otherwise("probability"),
        decision=pl.when(mine).then(pl.lit("early")).otherwise("decision"),
    )
    keys = ("carrier", "model_version")
    lake.replace_window(table, rows.collect(), "prediction_time", WINDOW, keys=keys)


def test_a_version_knows_its_classes_and_prices(parts):
    card = open_flights_version(2).card
    assert (card.kind, card.classes) == ("multiclass", CLASSES)
    np.testing.assert_allclose(card.threshold, [[0, 1, 1], [1, 0, 1], [5, 3, 0]], atol=1e-3)
    shares = [card.holdout[f"share_{name}"] for name in CLASSES]
    assert sum(shares) == pytest.approx(1)
    assert -np.dot(shares, np.log(shares)) > card.holdout["log_loss"]
    assert set(card.intervals) == {"log_loss", "brier", "accuracy", "calibration_gap", "cost"}
    for name, (low, high) in card.intervals.items():
        assert low < card.holdout[name] < high
    assert {each["value"] for each in card.slices} == {"EWR", "JFK", "LGA"}
    own = {f"score_{name}" for name in CLASSES}
    assert set(card.reference.columns) == {*card.inputs.inputs, *own}
    assert max(card.importance.values()) > 0.01
    assert card.parity < 1e-6


def test_its_page_speaks_of_classes(parts):
    page = write_card_page(open_flights_version(2).card, 2, open_ledger().entries("flights"))
    text = Path(page.markdown).read_text()
    assert "predicts one of early, on_time, late: the class of least expected cost" in text
    assert "a wrong class costs 1" in text
    assert "early for late costs 5" in text
    assert "on_time for late costs 3" in text
    assert "| recall_late |" in text
    assert "`score_early`, `score_on_time`, `score_late` is the model's own prediction" in text
    assert "points" in render_card(open_flights_version(2).card)


def test_a_name_that_is_no_class_is_no_label_and_the_check_tells_it(use_case, monkeypatch):
    def details(verdict: str) -> list[str]:
        return [f.detail for f in check_feature_module(use_case) if f.verdict == verdict]

    assert details("wrong") == []
    named = lambda *given: arrivals(*given).with_columns(  # noqa: E731
        arrival=pl.col("arrival").replace({"late": "delayed"})
    )
    monkeypatch.setattr(transforms, "arrivals", named)
    assert details("wrong") == []
    assert any("delayed" in detail for detail in details("skipped"))
    labels = retrieval.build_labels(use_case, *WINDOW, END)["arrival"].drop_nulls()
    assert labels.n_unique() == 2


def test_the_gate_lets_a_better_one_in_and_refuses_a_worse_one(use_case, parts):
    """Each holds what it must show against: the shares of the classes, a weaker one, itself."""
    first = decide_promotion(use_case, open_flights_version(2), None, parts.holdout, [])
    assert first.verdict == "pass", first.reason
    assert "the shares of the classes" in json.dumps(first.evidence.to_json())
    assert (
        decide_promotion(
            use_case, open_flights_version(2), open_flights_version(2), parts.holdout, []
        ).verdict
        == "fail"
    )
    better = decide_promotion(
        use_case, open_flights_version(2), open_flights_version(1), parts.holdout, []
    )
    assert better.verdict == "pass", better.reason
    worse = decide_promotion(
        use_case, open_flights_version(1), open_flights_version(2), parts.holdout, []
    )
    assert gate_verdicts(worse)["log_loss"] == "fail"
    up, down = (each.evidence.differences["log_loss"] for each in (better, worse))
    assert up.improvement == -down.improvement > 0


def test_a_changed_question_is_no_longer_the_models(use_case, parts):
    other = {"function": "arrivals", "column": "arrival", "kind": "multiclass",
             "classes": ["early", "late", "on_time"]}  # fmt: skip
    asked = classes_use_case(label=other)
    with pytest.raises(
        BadConfig, match="but version 2 was trained for multiclass early, on_time, late"
    ):
        decide_promotion(asked, open_flights_version(2), None, parts.holdout, [])
    with pytest.raises(BadConfig, match="create another use case for the new label"):
        with_model_features(asked, open_flights_version(2))


def test_score_writes_probabilities_and_the_class_name(use_case):
    record_event("promoted", AS_OF - DAY, 2)
    rows = score_and_read(use_case, WINDOW)
    assert rows.columns[5:7] == ["probability", "decision"]
    probability = np.array(rows["probability"].to_list())
    assert probability.sum(axis=1) == pytest.approx(1, abs=1e-6)
    expected = (probability @ np.array(open_flights_version(2).card.threshold)).argmin(axis=1)
    assert rows["decision"].to_list() == [CLASSES[code] for code in expected]
    assert set(rows["decision"]) == set(CLASSES)
    assert rows["decision"].eq("late").mean() > (probability.argmax(axis=1) == 2).mean()
    before = open_lake("flights").version(PREDICTIONS)
    score_and_read(use_case, WINDOW)
    assert open_lake("flights").version(PREDICTIONS) == before


def test_rows_given_a_class_that_is_asked_for_are_explained(use_case):
    record_event("promoted", AS_OF - DAY, 2)
    day = (AS_OF, AS_OF + DAY)
    found = model_versions.score_window(use_case, day)
    late = found[0].predictions.filter(decision="late")
    why = contributions.explain_flagged(use_case, found[0])
    assert why.height == 2 * late.height > 0
    assert why.join(late, on=use_case.spine.key, how="semi").height == why.height


def test_the_monitor_judges_probabilities_and_drift_of_each(use_case):
    record_event("promoted", AS_OF - DAY, 2)
    score_and_read(use_case, WINDOW)

    def measured() -> dict[tuple[str, str], float]:
        loaded = window.load_window(use_case, open_ledger().entries("flights"), END)
        numbers = window.measure_window(loaded)
        save_measurements(open_lake("flights"), build_measurement_rows(numbers, END, 2), END)
        return {(n.kind, n.subject): n for n in numbers}

    good = measured()
    loss = good["performance", "log_loss_1w"]
    assert loss.verdict == "ok"
    assert loss.threshold == pytest.approx(loss.reference + 0.15)
    assert 0 < good["performance", "recall_late"].value < 1
    drifts = [good["drift", f"score_{name}"].value for name in CLASSES]
    assert max(drifts) < 1
    make_always_early(PREDICTIONS, 2)
    bad = measured()
    assert bad["performance", "log_loss_1w"].verdict == "page"
    assert bad["performance", "calibration_gap_1w"].verdict == "page"
    assert {bad["drift", f"score_{name}"].verdict for name in CLASSES} == {"inform"}
    assert bad["performance", "recall_late"].value == 0
    weeks = history_chart.read_window_metrics(use_case)
    assert weeks.columns[2:] == ["log_loss", "accuracy", "cost", "coverage"]
    assert weeks["log_loss"].item() == pytest.approx(bad["performance", "log_loss"].value)
    assert len(history_chart.draw_year_chart(use_case)) > 10_000


@pytest.mark.parametrize(("spoiled", "verdict"), [(False, "pass"), (True, "fail")])
def test_what_a_bake_shows_is_undone_or_not(use_case, spoiled, verdict):
    record_event("promoted", AS_OF - 9 * DAY, 1)
    record_event("promoted", AS_OF, 2, bake_until=(AS_OF + 14 * DAY).isoformat())
    score_and_read(use_case, WINDOW)
    if spoiled:
        make_always_early(PREDICTIONS, 2)
    baked = bake.evaluate_bake(use_case, read_ledger_state(open_ledger(), "flights"), END + DAY)
    assert baked is not None
    assert baked.decision.verdict == verdict, baked.decision.reason
    numbers = {n.subject: n for n in bake.bake_measurements(use_case, baked, END + DAY)}
    loss = numbers["log_loss"]
    assert loss.threshold == pytest.approx(loss.reference + 0.05)
    assert (loss.verdict == "page") == (verdict == "fail")


def test_an_ab_test_counts_what_decisions_cost(use_case):
    case = use_case.model_copy(update={"rollout": Ab(share=0.5, rows=1000, unit=("carrier",))})
    record_event("promoted", AS_OF - 9 * DAY, 1)
    record_event("rollout_started", AS_OF, 2, **plan_rollout(case, 1).to_json())
    rows = score_and_read(case, WINDOW)
    rolls = find_rollout(open_ledger().entries("flights"))
    assert rolls is not None
    found = read_arm_costs(case, rolls, END + DAY)
    known = rows.join(retrieval.build_labels(case, *WINDOW, END + DAY), on=case.spine.key)
    prices = np.array([[0, 1, 1], [1, 0, 1], [5, 3, 0]])
    decided = [CLASSES.index(name) for name in known["decision"]]
    paid = prices[known["arrival"].to_numpy(), decided]
    assert found["cost"].sum() == pytest.approx(paid.sum(), rel=0.02)  # the last day is not over


def test_a_prediction_is_explained_by_its_decided_class(use_case):
    record_event("promoted", AS_OF - DAY, 2)
    row = score_and_read(use_case, WINDOW).row(100, named=True)
    key = format_key([row[name] for name in use_case.spine.key])
    found = explain_prediction(use_case, key, END + DAY)
    assert found.prediction.decision == row["decision"]
    assert found.prediction.value == row["probability"][CLASSES.index(row["decision"])]
    total = found.base + sum(each.contribution for each in found.inputs)
    assert total == pytest.approx(found.prediction.value, rel=1e-6)
    assert found.label in CLASSES
    assert not found.notes
    said = print_plain(explanation.render_explanation(found))
    assert f"{row['decision']} (early 0." in said
    assert f"label {found.label}, known" in said
    assert json.dumps(asdict(found), default=str)


def test_the_same_file_is_the_same_answer_to_reproduce(use_case):
    it = open_flights_version(2)
    result = reproduce.RetrainResult(
        threshold=it.card.threshold, inputs=it.card.inputs, rows=it.card.rows
    )
    assert reproduce.RetrainResult.model_validate_json(result.model_dump_json()) == result
    same = reproduce.compare_reproduction(it, it.onnx, result, "here", ())
    assert same.equal
    assert "the same predictions" in print_plain(explanation.render_reproduction(same))
    other = reproduce.compare_reproduction(it, open_flights_version(1).onnx, result, "here", ())
    assert not other.equal
    assert other.difference > 1e-3
