"""One line a gate: what each asks, and on which side of its limit it passes."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from configs.schema.promotion import Bake, Budgets, Gate
from tasks.evaluation.bootstrap import Difference
from tasks.evaluation.problem_types import PROBLEM_TYPES
from tasks.models.footprint import Footprint
from tasks.promotion import gate_checks, gate_files
from tasks.promotion.gate_checks import GateCheck

BINARY = PROBLEM_TYPES["binary"]()
BETTER = Difference("roc_auc", 0.73, 0.71, 0.02, 0.01, 0.03, rows=5000, blocks=21, confidence=0.95)
LIGHT = Footprint(
    bytes=1000, latency_p50_us=8, latency_p99_us=20, rows_per_second=1e6, peak_memory_mib=100
)


def difference_of(
    improvement: float, low: float, high: float, subject: str = "roc_auc"
) -> Difference:
    return replace(BETTER, subject=subject, improvement=improvement, low=low, high=high)


@pytest.mark.parametrize(
    ("rows", "events", "blocks", "verdict"),
    [
        (1000, 1, 5, "pass"),
        (999, 1, 5, "wait"),
        (1000, 0, 5, "wait"),
        (1000, 1000, 5, "wait"),
        (1000, 500, 4, "wait"),
    ],
)
def test_too_few_rows_labels_or_blocks_wait(rows, events, blocks, verdict):
    label = np.repeat([1.0, 0.0], [events, rows - events])
    assert (
        gate_checks.check_row_count("fresh labelled rows", 1000, label, blocks, BINARY).verdict
        == verdict
    )


@pytest.mark.parametrize(
    ("rule", "margin", "low", "verdict"),
    [
        ("superiority", 0.0, 0.0001, "pass"),
        ("superiority", 0.0, 0.0, "fail"),
        ("superiority", 0.5, -0.1, "fail"),
        ("non_inferiority", 0.01, -0.0099, "pass"),
        ("non_inferiority", 0.01, -0.01, "fail"),
    ],
)
def test_the_whole_interval_lies_above_the_bar(rule, margin, low, verdict):
    line = gate_checks.check_improvement(
        Gate(rule=rule, margin=margin), difference_of(0.02, low, 0.04)
    )
    assert (line.gate, line.verdict) == ("roc_auc", verdict)
    assert f"{low:+.4f}" in line.measured


@pytest.mark.parametrize(
    ("improvement", "high", "verdict"),
    [(-0.04, -0.01, "fail"), (-0.04, 0.01, "pass"), (-0.02, -0.01, "pass"), (0.01, 0.02, "pass")],
)
def test_worse_is_more_than_the_margin_and_no_chance(improvement, high, verdict):
    line = gate_checks.check_not_worse("calibration", difference_of(improvement, -0.1, high), 0.03)
    assert line.verdict == verdict


def test_the_margin_of_the_cost_is_a_share_of_the_champions():
    dearer = replace(difference_of(-0.04, -0.05, -0.03, "cost"), challenger=0.84, champion=0.8)
    assert gate_checks.check_cost(dearer, 0.045).verdict == "fail"
    assert gate_checks.check_cost(dearer, 0.06).verdict == "pass"


def test_slices_have_one_line_and_one_more_for_each_that_fails():
    good = difference_of(0.01, -0.1, 0.1, "origin=JFK")
    bad, unclear = (
        difference_of(-0.05, -0.09, -0.01, "origin=LGA"),
        difference_of(-0.06, -0.2, 0.1, "carrier=HA"),
    )
    first, *failing = gate_checks.check_slices([BETTER, good, bad, unclear], 0.03)
    assert (first.gate, first.verdict) == ("slices", "fail")
    assert "none of 3" in first.asked
    assert "carrier=HA" in first.measured
    assert [line.gate for line in failing] == ["slice origin=LGA"]
    assert [line.verdict for line in gate_checks.check_slices([good, unclear], 0.03)] == ["pass"]
    assert [line.verdict for line in gate_checks.check_slices([BETTER], 0.03)] == ["not asked"]


@pytest.mark.parametrize(
    ("limit", "value", "verdict"),
    [
        ("latency_p99_us", 20.0, "pass"),
        ("latency_p99_us", 19.9, "fail"),
        ("rows_per_second", 1e6, "pass"),
        ("rows_per_second", 1.1e6, "fail"),
        ("bytes", 999, "fail"),
        ("peak_memory_mib", 99.0, "fail"),
        ("peak_memory_mib", None, "not asked"),
    ],
)
def test_each_budget_is_held_or_not_asked(limit, value, verdict):
    changed = {line.verdict for line in gate_files.check_budgets(Budgets(**{limit: value}), LIGHT)}
    assert changed == {"pass", verdict}


def test_parity_wants_the_same_answers_and_the_same_decisions():
    ours = np.array([0.1, 0.5, 0.9])
    assert gate_files.check_golden_parity(BINARY, ours, ours + 1e-8, 0.3, 1e-6).verdict == "pass"
    assert gate_files.check_golden_parity(BINARY, ours, ours + 1e-5, 0.3, 1e-6).verdict == "fail"
    flipped = gate_files.check_golden_parity(BINARY, ours, ours - 1e-8, 0.5, 1e-6)
    assert flipped.verdict == "fail"
    assert "1 of 3 flipped" in flipped.measured
    assert gate_files.check_golden_parity(BINARY, ours, ours * np.nan, 0.3, 1e-6).verdict == "fail"


def test_golden_rows_are_answered_as_registered():
    ours = np.array([0.1, 0.5])
    assert gate_files.check_golden_rows(BINARY, ours, ours, 1e-6).verdict == "pass"
    assert gate_files.check_golden_rows(BINARY, ours, ours + 1e-3, 1e-6).verdict == "fail"


def test_what_was_undone_waits_for_later_rows():
    at = datetime(2013, 8, 1, tzinfo=UTC)
    assert gate_checks.check_not_rolled_back(None, 0).verdict == "pass"
    assert gate_checks.check_not_rolled_back(at, 0).verdict == "wait"
    line = gate_checks.check_not_rolled_back(at, 7)
    assert line.verdict == "pass"
    assert "2013-08-01" in line.asked


def test_harm_is_asked_with_the_margins_of_the_bake():
    worse = difference_of(-0.03, -0.04, -0.02)
    cost = difference_of(-0.03, -0.04, -0.02, "cost")
    lines = gate_checks.check_harm(Bake(margin=0.02, cost_margin=0.05), "roc_auc", [worse, cost])
    assert [(line.gate, line.verdict) for line in lines] == [
        ("roc_auc", "fail"), ("cost", "pass"), ("slices", "not asked"),
    ]  # fmt: skip


def test_summarise_checks_names_the_metric_and_what_fails():
    rows = GateCheck("rows", "many", "many", "pass")
    metric = gate_checks.check_improvement(Gate(), BETTER)
    numbers = "roc_auc 0.7300 against 0.7100: improvement +0.0200 [+0.0100, +0.0300]"
    assert gate_checks.summarise_checks([rows, metric]) == f"{numbers}; every check passes"
    speed = GateCheck("p99 latency", "at most 1 µs", "9 µs", "fail")
    assert (
        gate_checks.summarise_checks([rows, metric, speed]) == f"{numbers}; fails: p99 latency 9 µs"
    )
    refused = gate_checks.check_improvement(Gate(), difference_of(0.02, -0.01, 0.03))
    assert gate_checks.summarise_checks([rows, refused]).endswith("; fails: roc_auc")
    few = gate_checks.check_row_count("rows", 1000, np.array([1.0, 0]), 1, BINARY)
    assert gate_checks.summarise_checks([few]).startswith(
        "only 2 rows with 1 events, in 1 blocks; required: at"
    )
