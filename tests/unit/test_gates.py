"""One line a gate: what each asks, and on which side of its limit it passes."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from configs.policy import Bake, Budgets, Gate
from tasks import gates
from tasks.comparison import Difference
from tasks.export import Footprint
from tasks.gates import Line
from tasks.kinds import KINDS

BINARY = KINDS["binary"]()
BETTER = Difference("roc_auc", 0.73, 0.71, 0.02, 0.01, 0.03, rows=5000, blocks=21, confidence=0.95)
LIGHT = Footprint(
    bytes=1000, latency_p50_us=8, latency_p99_us=20, rows_per_second=1e6, peak_memory_mib=100
)


def of(improvement: float, low: float, high: float, subject: str = "roc_auc") -> Difference:
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
    assert gates.rows_line("fresh labelled rows", 1000, label, blocks, BINARY).verdict == verdict


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
    line = gates.bar_line(Gate(rule=rule, margin=margin), of(0.02, low, 0.04))
    assert (line.gate, line.verdict) == ("roc_auc", verdict)
    assert f"{low:+.4f}" in line.measured


@pytest.mark.parametrize(
    ("improvement", "high", "verdict"),
    [(-0.04, -0.01, "fail"), (-0.04, 0.01, "pass"), (-0.02, -0.01, "pass"), (0.01, 0.02, "pass")],
)
def test_worse_is_more_than_the_margin_and_no_chance(improvement, high, verdict):
    line = gates.worse_line("calibration", of(improvement, -0.1, high), 0.03)
    assert line.verdict == verdict


def test_the_margin_of_the_cost_is_a_share_of_the_champions():
    dearer = replace(of(-0.04, -0.05, -0.03, "cost"), challenger=0.84, champion=0.8)
    assert gates.cost_line(dearer, 0.045).verdict == "fail"
    assert gates.cost_line(dearer, 0.06).verdict == "pass"


def test_slices_have_one_line_and_one_more_for_each_that_fails():
    good = of(0.01, -0.1, 0.1, "origin=JFK")
    bad, unclear = of(-0.05, -0.09, -0.01, "origin=LGA"), of(-0.06, -0.2, 0.1, "carrier=HA")
    first, *failing = gates.slice_lines([BETTER, good, bad, unclear], 0.03)
    assert (first.gate, first.verdict) == ("slices", "fail")
    assert "none of 3" in first.asked
    assert "carrier=HA" in first.measured
    assert [line.gate for line in failing] == ["slice origin=LGA"]
    assert [line.verdict for line in gates.slice_lines([good, unclear], 0.03)] == ["pass"]
    assert [line.verdict for line in gates.slice_lines([BETTER], 0.03)] == ["not asked"]


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
    changed = {line.verdict for line in gates.budget_lines(Budgets(**{limit: value}), LIGHT)}
    assert changed == {"pass", verdict}


def test_parity_wants_the_same_answers_and_the_same_decisions():
    ours = np.array([0.1, 0.5, 0.9])
    assert gates.parity_line(BINARY, ours, ours + 1e-8, 0.3, 1e-6).verdict == "pass"
    assert gates.parity_line(BINARY, ours, ours + 1e-5, 0.3, 1e-6).verdict == "fail"
    flipped = gates.parity_line(BINARY, ours, ours - 1e-8, 0.5, 1e-6)
    assert flipped.verdict == "fail"
    assert "1 of 3 flipped" in flipped.measured
    assert gates.parity_line(BINARY, ours, ours * np.nan, 0.3, 1e-6).verdict == "fail"


def test_golden_rows_are_answered_as_registered():
    ours = np.array([0.1, 0.5])
    assert gates.golden_line(BINARY, ours, ours, 1e-6).verdict == "pass"
    assert gates.golden_line(BINARY, ours, ours + 1e-3, 1e-6).verdict == "fail"


def test_what_was_undone_waits_for_later_rows():
    at = datetime(2013, 8, 1, tzinfo=UTC)
    assert gates.undone_line(None, 0).verdict == "pass"
    assert gates.undone_line(at, 0).verdict == "wait"
    line = gates.undone_line(at, 7)
    assert line.verdict == "pass"
    assert "2013-08-01" in line.asked


def test_harm_is_asked_with_the_margins_of_the_bake():
    worse = of(-0.03, -0.04, -0.02)
    cost = of(-0.03, -0.04, -0.02, "cost")
    lines = gates.harm_lines(Bake(margin=0.02, cost_margin=0.05), "roc_auc", [worse, cost])
    assert [(line.gate, line.verdict) for line in lines] == [
        ("roc_auc", "fail"), ("cost", "pass"), ("slices", "not asked"),
    ]  # fmt: skip


def test_the_reason_is_one_sentence_with_the_metric_and_what_fails():
    rows = Line("rows", "many", "many", "pass")
    metric = gates.bar_line(Gate(), BETTER)
    numbers = "roc_auc 0.7300 against 0.7100: improvement +0.0200 [+0.0100, +0.0300]"
    assert gates.reason_of([rows, metric]) == f"{numbers}; every gate holds"
    speed = Line("p99 latency", "at most 1 µs", "9 µs", "fail")
    assert gates.reason_of([rows, metric, speed]) == f"{numbers}; fails: p99 latency 9 µs"
    refused = gates.bar_line(Gate(), of(0.02, -0.01, 0.03))
    assert gates.reason_of([rows, refused]).endswith("; fails: roc_auc")
    few = gates.rows_line("rows", 1000, np.array([1.0, 0]), 1, BINARY)
    assert gates.reason_of([few]).startswith("only 2 rows with 1 events, in 1 blocks; asked: at")
