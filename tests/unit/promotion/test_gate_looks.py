"""The three verdicts of the gate, its looks in the ledger, the gain by risk, and influence."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from configs.schema.promotion import Bake, Direct, Gate
from tasks.evaluation.alpha_spending import ONLY_LOOK, GateLook
from tasks.evaluation.bootstrap import Difference
from tasks.ledger.evidence import GateCheck, GateEvidence
from tasks.ledger.log import Ledger
from tasks.ledger.projections import find_last_look, list_watched_versions
from tasks.ledger.state import read_ledger_state
from tasks.promotion.candidate_state import read_candidate_state
from tasks.promotion.due_steps import find_due_steps, has_enough_rows
from tasks.promotion.gate import Decision, judge_candidate, judge_harm, judge_predictions
from tasks.promotion.gate_checks import check_improvement
from tasks.promotion.stage_review import review_stage
from tasks.rollout.routing import list_routes
from tests.support.candidates import NAME, day, record, record_registered, rollout_use_case, step
from tests.support.decisions import predict_at
from tests.support.gated_rows import gated_use_case, lines, rows_scores_and_noise

FIRST = GateLook(1, 4, 0.5, day(30))
LOOKING = rollout_use_case(Direct()).model_copy(
    update={"gate": Gate(looks=4, patience=timedelta(days=90))}
)


def gain_between(low: float, high: float, improvement: float | None = None, confidence=0.95):
    middle = (low + high) / 2 if improvement is None else improvement
    return Difference("roc_auc", 0.7, 0.7 - middle, middle, low, high, 1000, 20, confidence)


@pytest.mark.parametrize(
    ("rule", "margin", "low", "high", "final", "verdict"),
    [
        ("superiority", 0.0, 0.001, 0.02, True, "pass"),
        ("superiority", 0.0, 0.0, 0.02, True, "fail"),
        ("superiority", 0.0, 0.0, 0.02, False, "wait"),
        ("superiority", 0.0, -0.02, 0.001, False, "wait"),
        ("superiority", 0.0, -0.02, 0.0, False, "fail"),
        ("superiority", 0.0, 0.0, 0.0, False, "fail"),
        ("superiority", 0.5, 0.001, 0.02, True, "pass"),
        ("non_inferiority", 0.01, -0.009, 0.02, True, "pass"),
        ("non_inferiority", 0.01, -0.01, 0.02, True, "fail"),
        ("non_inferiority", 0.01, -0.02, -0.005, False, "wait"),
        ("non_inferiority", 0.01, -0.03, -0.011, False, "fail"),
        ("expected_gain", 0.01, -0.009, 0.02, True, "pass"),
        ("expected_gain", 0.01, -0.011, 0.05, True, "fail"),
        ("expected_gain", 0.01, -0.011, 0.05, False, "wait"),
        ("expected_gain", 0.01, -0.009, 0.009, True, "fail"),
        ("expected_gain", 0.01, -0.009, 0.008, True, "fail"),
    ],
)
def test_verdict_of_an_improvement(rule, margin, low, high, final, verdict):
    gate = Gate(rule=rule, margin=margin)
    assert check_improvement(gate, gain_between(low, high), final=final).verdict == verdict


def test_margin_counts_units():
    gate, found = Gate(rule="non_inferiority", margin=0.01), gain_between(-0.05, 0.1)
    assert check_improvement(gate, found).verdict == "fail"
    wide = Difference(**{**found.__dict__, "unit": 10.0})
    assert check_improvement(gate, wide).verdict == "pass"


def test_expected_gain_says_its_risk():
    gate = Gate(rule="expected_gain", margin=0.02)
    asked = check_improvement(gate, gain_between(-0.01, 0.05, confidence=0.8)).asked
    assert asked == "expected_gain: better, and by less than -0.02 with at most 10% risk"


def two_alike(seed: int):
    """Rows of 20 days, and two models that differ by chance."""
    rows, score, _ = rows_scores_and_noise()
    random = np.random.default_rng(seed)
    one, other = (predict_at(0.9 * score + 0.1 * random.random(len(score))) for _ in range(2))
    return rows, one, other


def test_a_small_gain_is_not_shown_yet_until_the_last_look():
    first = judge_predictions(gated_use_case(), *two_alike(10), FIRST)
    assert first.verdict == "wait"
    assert "not shown yet at look 1, the next is due from 2013-05-01" in first.reason
    assert (first.evidence.look_number, first.evidence.looks) == (1, 4)
    assert first.evidence.differences["roc_auc"].confidence == 0.975
    last = judge_predictions(gated_use_case(), *two_alike(10), ONLY_LOOK)
    assert (last.verdict, last.evidence.look_number) == ("fail", None)


def test_the_first_look_lets_a_clear_gain_in_and_refuses_a_clear_loss():
    rows, score, noise = rows_scores_and_noise()
    good, poor = predict_at(0.1 + 0.6 * score), predict_at(0.1 + 0.6 * (0.4 * score + 0.6 * noise))
    assert judge_predictions(gated_use_case(), rows, good, poor, FIRST).verdict == "pass"
    lost = judge_predictions(gated_use_case(), rows, poor, good, FIRST)
    assert lost.verdict == "fail"
    assert "looks" not in lines(lost)


def test_expected_gain_lets_in_what_superiority_does_not():
    verdicts = {
        rule: lines(judge_predictions(gated_use_case(rule=rule, margin=0.02), *two_alike(10)))
        for rule in ("superiority", "expected_gain")
    }
    assert verdicts["superiority"]["roc_auc"] == "fail"
    assert verdicts["expected_gain"]["roc_auc"] == "pass"
    asked = judge_predictions(gated_use_case(rule="expected_gain", risk=0.2), *two_alike(10))
    assert asked.evidence.differences["roc_auc"].confidence == pytest.approx(0.6)
    assert asked.evidence.differences["cost"].confidence == 0.95


@pytest.mark.parametrize("seed", [11, 27])
def test_the_block_that_decides_is_named(seed):
    decision = judge_predictions(gated_use_case(), *two_alike(seed))
    table = {check.gate: check for check in decision.evidence.gates}
    row = table["influence on roc_auc"]
    assert row.verdict == "not asked"
    assert "12:00 decides: without it 0." in row.measured


def test_the_block_that_decides_a_harm_is_named():
    rows, better, worse = two_alike(11)
    bake = Bake(margin=0, cost_margin=10, slice_margin=10)
    decision = judge_harm(gated_use_case(), rows, worse, better, bake, 500)
    assert lines(decision)["roc_auc"] == "fail"
    assert lines(decision)["influence on roc_auc"] == "not asked"


def test_a_verdict_of_many_days_has_no_decisive_block():
    rows, score, noise = rows_scores_and_noise()
    good, poor = predict_at(score), predict_at(0.4 * score + 0.6 * noise)
    for pair in ((good, poor), (poor, good)):
        assert "influence on roc_auc" not in lines(judge_predictions(gated_use_case(), rows, *pair))


@pytest.fixture
def book(tmp_path):
    book = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    record(book, "promoted", "decision:1", day(-10), 1)
    record_registered(book, 2, day(0))
    return book


def shows_nothing_at(number: int):
    """A gate that shows no verdict at the look that is due."""

    def gate(candidate):
        assert candidate.due_look.number == number
        check = GateCheck("metric", "more", "some", "wait")
        return Decision("wait", "not yet", GateEvidence(gates=[check], look_number=number, looks=4))

    return gate


def test_looks_are_entries_with_fixed_keys_once_each(book):
    first = step(book, LOOKING, 2, day(0), shows_nothing_at(1))
    assert (first.what, first.key) == ("deferred", "look:2:1")
    again = step(book, LOOKING, 2, day(0), looked_again)
    assert (again.what, again.key) == ("deferred", "deferred:2:2013-04-01")
    second = step(book, LOOKING, 2, day(31), shows_nothing_at(2))
    assert second.key == "look:2:2"
    assert find_last_look(book.entries(NAME), 2) == 2
    assert [e.key for e in book.entries(NAME) if e.key.startswith("look")] == [
        "look:2:1", "look:2:2",
    ]  # fmt: skip


def looked_again(candidate):
    """The real gate: it reads no model while no look is due."""
    assert candidate.due_look is None
    return judge_candidate(candidate)


def test_no_step_is_requested_before_the_next_look(book):
    step(book, LOOKING, 2, day(0), shows_nothing_at(1))
    state = read_ledger_state(book, NAME)
    candidate = read_candidate_state(LOOKING, state, 2, day(29))
    assert has_enough_rows(candidate).verdict == "wait"
    assert has_enough_rows(candidate).reason.endswith("the next look is due from 2013-05-01 00:00")
    assert find_due_steps(LOOKING, state, day(29), has_enough_rows, review_stage) == []


def test_the_last_look_is_at_the_end_of_the_patience(book):
    step(book, LOOKING, 2, day(0), shows_nothing_at(1))
    state = read_ledger_state(book, NAME)
    look = read_candidate_state(LOOKING, state, 2, day(90)).due_look
    assert (look.number, look.share, look.final) == (4, 0.5, True)
    refused = step(book, LOOKING, 2, day(90), lambda _: Decision("wait", "few", GateEvidence()))
    assert refused.what == "refused"


def test_a_watched_candidate_predicts_in_shadow_until_it_is_decided(book):
    def route():
        return list_routes(book.entries(NAME), day(200), day(201))[0]

    assert route().challenger is None
    step(book, LOOKING, 2, day(0), shows_nothing_at(1))
    assert (route().champion, route().challenger, route().share) == (1, 2, 0.0)
    record_registered(book, 3, day(1))
    step(book, LOOKING, 3, day(1), shows_nothing_at(1))
    assert route().challenger == 3
    assert list_watched_versions(book.entries(NAME)) == [2, 3]
    step(book, LOOKING, 3, day(32), lambda _: Decision("fail", "worse", GateEvidence(gates=[])))
    assert route().challenger == 2
    assert list_watched_versions(book.entries(NAME), day(1)) == [2, 3]
    assert list_routes(book.entries(NAME), day(0), day(1))[0].challenger == 2


def test_a_deferral_for_few_rows_is_no_look(book):
    wait = Decision("wait", "few rows", GateEvidence(gates=[]))
    assert step(book, LOOKING, 2, day(0), lambda _: wait).key == "deferred:2:2013-04-01"
    assert list_watched_versions(book.entries(NAME)) == []
    assert find_last_look(book.entries(NAME), 2) == 0


def test_an_empty_frame_is_no_problem():
    rows = rows_scores_and_noise(0)[0]
    nothing = predict_at(np.zeros(0))
    decision = judge_predictions(gated_use_case(), rows, nothing, nothing, FIRST)
    assert decision.verdict == "wait"
    assert decision.evidence.look_number is None
