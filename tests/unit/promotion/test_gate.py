"""Decisions: on answers that are made to order, and on a real file that is asked everything."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

from configs.schema.costs import Cost
from configs.schema.promotion import Bake, Gate
from configs.schema.use_case import UseCase
from tasks.ledger.log import Entry
from tasks.ledger.projections import rolled_back_until
from tasks.models.registry import Model
from tasks.promotion.gate import (
    decide_promotion,
    judge_harm,
    judge_predictions,
)
from tests.support.artifacts import fit_artifact, open_artifact
from tests.support.decisions import predict_at
from tests.support.flights import END, january, quick_use_case
from tests.support.gated_rows import NOON, gated_use_case, lines, rows_scores_and_noise

BAKE = Bake(margin=0.02, cost_margin=0.05, slice_margin=0.05)


def test_a_model_against_itself_is_refused():
    rows, score, _ = rows_scores_and_noise()
    decision = judge_predictions(gated_use_case(), rows, predict_at(score), predict_at(score))
    assert decision.verdict == "fail"
    assert decision.reason.endswith("fails: roc_auc")
    found = decision.evidence.differences["roc_auc"]
    assert found.low == found.high == 0
    assert decision.evidence.blocks == 20


def test_judge_predictions_tells_better_from_worse():
    rows, score, noise = rows_scores_and_noise()
    good, poor = predict_at(0.1 + 0.6 * score), predict_at(0.1 + 0.6 * (0.4 * score + 0.6 * noise))
    assert judge_predictions(gated_use_case(), rows, good, poor).verdict == "pass"
    assert judge_predictions(gated_use_case(), rows, poor, good).verdict == "fail"


def test_a_better_ranking_that_costs_more_is_refused():
    """The same scores rank better, but a threshold that flags everything makes them dear."""
    rows, score, noise = rows_scores_and_noise()
    dear, poor = predict_at(score, 0.0), predict_at(0.4 * score + 0.6 * noise)
    decision = judge_predictions(
        gated_use_case(Cost(false_positive=9, false_negative=1)), rows, dear, poor
    )
    assert decision.evidence.differences["roc_auc"].low > 0
    assert decision.verdict == "fail"
    assert lines(decision)["cost"] == "fail"
    assert "; fails: cost" in decision.reason


def test_a_better_model_that_is_worse_in_one_slice_is_refused():
    rows, score, noise = rows_scores_and_noise()
    lost = (rows["origin"] == "JFK").to_numpy()
    poor = 0.1 + 0.6 * (0.5 * score + 0.5 * noise)
    mixed = np.where(lost, 0.1 + 0.6 * noise, 0.1 + 0.6 * score)
    decision = judge_predictions(
        gated_use_case(rule="non_inferiority", margin=0.2),
        rows,
        predict_at(mixed),
        predict_at(poor),
    )
    said = lines(decision)
    assert [gate for gate, verdict in said.items() if verdict == "fail"] == [
        "slices", "slice origin=JFK",
    ]  # fmt: skip
    assert "slices 1 shown" in decision.reason


def test_a_better_ranking_that_is_off_is_refused():
    rows, score, noise = rows_scores_and_noise()
    off, poor = predict_at(0.3 + 0.6 * score), predict_at(0.1 + 0.6 * (0.4 * score + 0.6 * noise))
    assert lines(judge_predictions(gated_use_case(), rows, off, poor))["calibration"] == "fail"
    assert (
        lines(judge_predictions(gated_use_case(calibration_margin=0.5), rows, off, poor))[
            "calibration"
        ]
        == "pass"
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (rows_scores_and_noise(300)[0], "only 300 rows"),
        (rows_scores_and_noise(1500, days=4)[0], "4 blocks"),
        (rows_scores_and_noise(1500)[0].with_columns(late=pl.lit(0, pl.Int8)), "0 events"),
        (rows_scores_and_noise(0)[0], "only 0 rows"),
    ],
)
def test_too_little_is_its_own_answer(rows, said):
    any_answers = predict_at(np.linspace(0, 1, rows.height))
    for decision in (
        judge_predictions(gated_use_case(min_rows=1000), rows, any_answers, any_answers),
        judge_harm(gated_use_case(), rows, any_answers, any_answers, BAKE, min_rows=1000),
    ):
        assert decision.verdict == "wait"
        assert said in decision.reason
        assert set(lines(decision).values()) == {"wait"}


def test_the_evidence_is_json_and_says_who_when_and_how_much():
    rows, score, noise = rows_scores_and_noise()
    evidence = judge_predictions(
        gated_use_case(), rows, predict_at(score), predict_at(noise)
    ).evidence.to_json()
    assert json.loads(json.dumps(evidence, allow_nan=False)) == evidence
    assert evidence["from"] == rows["prediction_time"].min().isoformat()
    assert datetime.fromisoformat(evidence["to"]) == rows["prediction_time"].max()
    assert (evidence["rows"], evidence["rule"], evidence["confidence"]) == (
        4000,
        "superiority",
        0.95,
    )
    assert set(evidence["differences"]) == {
        "roc_auc", "cost", "calibration", "origin=EWR", "origin=JFK", "origin=LGA",
    }  # fmt: skip


def test_harm_is_shown_or_not():
    rows, score, noise = rows_scores_and_noise()
    good, poor = predict_at(score), predict_at(0.4 * score + 0.6 * noise)
    bad = judge_harm(gated_use_case(), rows, poor, good, BAKE, min_rows=500)
    assert (bad.verdict, lines(bad)["roc_auc"]) == ("fail", "fail")
    assert judge_harm(gated_use_case(), rows, good, poor, BAKE, min_rows=500).verdict == "pass"
    assert judge_harm(gated_use_case(), rows, good, good, BAKE, min_rows=500).verdict == "pass"


def test_a_loss_within_the_margins_is_borne():
    rows, score, noise = rows_scores_and_noise()
    good, poor = predict_at(score), predict_at(0.5 * score + 0.5 * noise)
    strict, wide = Bake(margin=0.0), Bake(margin=0.2, cost_margin=0.5, slice_margin=0.2)
    assert judge_harm(gated_use_case(), rows, poor, good, strict, min_rows=500).verdict == "fail"
    assert judge_harm(gated_use_case(), rows, poor, good, wide, min_rows=500).verdict == "pass"


def test_one_shuffled_slice_is_harm():
    rows, score, noise = rows_scores_and_noise()
    shuffled = np.where((rows["origin"] == "LGA").to_numpy(), noise, score)
    decision = judge_harm(
        gated_use_case(), rows, predict_at(shuffled), predict_at(score), BAKE, 500, share=0.25
    )
    assert lines(decision)["slice origin=LGA"] == "fail"
    assert decision.evidence.differences["roc_auc"].confidence == pytest.approx(1 - 0.05 / 4)


def rolled_back(loser: int, at: datetime, **evidence: object) -> Entry:
    key, told = f"rollback:{loser}", {"loser": loser, **evidence}
    return Entry("flights", "rolled_back", key, at, "test", 1, told)


def test_a_file_that_was_undone_is_known_by_its_sha256():
    twins = [
        Entry("flights", "candidate_registered", f"candidate:{v}", NOON, "test", v, {"digest": d})
        for v, d in ((1, "a"), (2, "b"), (3, "b"))
    ]
    until, later = NOON - timedelta(days=3), NOON + timedelta(days=30)
    undone = [*twins, rolled_back(2, NOON, to=until.isoformat())]
    assert rolled_back_until(undone, "a") is None
    assert rolled_back_until(undone, "b") == until
    assert rolled_back_until([*undone, rolled_back(3, later, by_hand=True)], "b") == later


@cache
def boosting_model(version: int = 1) -> Model:
    """A small boosting, exported, with its card and golden rows, as the registry opens it."""
    return open_artifact(fit_artifact(quick_use_case(), "boosting"), version)


def fresh_rows_of_model() -> pl.DataFrame:
    """Rows that are asked about; half of them the model has seen, so it is good at them."""
    return january().gather_every(2)


def quick(**gate: object) -> UseCase:
    changes = {"gate": Gate(resamples=1000, min_rows=500, **gate)}
    return quick_use_case().model_copy(update=changes)


ASKED = [
    "fresh labelled rows", "roc_auc", "cost", "slices", "calibration", "p99 latency of one row",
    "throughput", "size of the file", "peak memory", "parity", "golden rows", "not undone before",
]  # fmt: skip


def test_the_first_champion_must_beat_the_base_rate():
    decision = decide_promotion(quick(), boosting_model(), None, fresh_rows_of_model(), [])
    assert decision.verdict == "pass", decision.reason
    assert list(lines(decision)) == ASKED
    assert {gate for gate, verdict in lines(decision).items() if verdict == "not asked"} == {
        "slices", "calibration",
    }  # fmt: skip
    assert decision.evidence.differences["roc_auc"].champion == 0.5
    assert decision.evidence.champion_version is None
    assert decision.evidence.footprint["bytes"] == len(boosting_model().onnx)


def test_a_twin_is_no_better_and_its_file_holds():
    decision = decide_promotion(
        quick(), boosting_model(), replace(boosting_model(), version=7), fresh_rows_of_model(), []
    )
    said = lines(decision)
    assert list(said) == ASKED
    assert [gate for gate in said if said[gate] != "pass"] == ["roc_auc"]
    assert (decision.verdict, decision.evidence.champion_version) == ("fail", 7)


def test_the_file_that_will_run_is_measured_again():
    golden = boosting_model().golden.with_columns(pl.col("fitted") + 1e-3)
    budgets = {"bytes": 10, "latency_p99_us": None}
    decision = decide_promotion(
        quick(budgets=budgets),
        replace(boosting_model(), golden=golden),
        None,
        fresh_rows_of_model(),
        [],
    )
    said = lines(decision)
    assert {gate for gate, verdict in said.items() if verdict == "fail"} == {
        "size of the file", "parity",
    }  # fmt: skip
    assert said["p99 latency of one row"] == "not asked"


def test_a_file_that_was_undone_needs_later_rows():
    known = {"digest": boosting_model().card.digest}
    registered = Entry("flights", "candidate_registered", "candidate:x", NOON, "test", 1, known)
    middle = datetime(2013, 1, 11, tzinfo=UTC)
    for to, verdict in ((middle, "pass"), (END, "wait")):
        entries = [registered, rolled_back(1, NOON, to=to.isoformat())]
        decision = decide_promotion(
            quick(), boosting_model(2), None, fresh_rows_of_model(), entries
        )
        assert decision.verdict == verdict
        assert lines(decision)["not undone before"] == verdict
    earlier = fresh_rows_of_model().filter(pl.col("prediction_time") > middle)
    entries = [registered, rolled_back(1, NOON, to=middle.isoformat())]
    assert (
        decide_promotion(
            quick(), boosting_model(), None, fresh_rows_of_model(), entries
        ).evidence.rows
        == earlier.height
    )
