"""Gauges of a model: each one is registered, and says what ledger and measurements hold."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from tasks.overview.facts import ModelFacts
from tasks.overview.metrics.gauges import build_gauges
from tasks.overview.summary import build_summary
from tasks.telemetry.names import find_exported_metric


def values(facts: ModelFacts, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(each.labels.values()): each.value for each in build_gauges(facts) if each.name == name
    }


def test_every_gauge_has_the_labels_of_the_registry(facts: ModelFacts) -> None:
    gauges = build_gauges(facts)
    for gauge in gauges:
        assert {*gauge.labels, "use_case"} == {*find_exported_metric(gauge.name).labels}
    assert len({(each.name, *each.labels.values()) for each in gauges}) == len(gauges)


def test_drift_and_performance_are_those_of_the_last_window(facts: ModelFacts) -> None:
    last = facts.measured.filter(pl.col("as_of") == pl.col("as_of").max())
    drift = last.filter(kind="drift")
    assert values(facts, "model_drift") == {
        (name,): value for name, value in drift.select("subject", "value").rows()
    }
    limits = values(facts, "model_drift_limit")
    assert {key[0]: value for key, value in limits.items()} == dict(
        drift.select("subject", "threshold").rows()
    )
    assert set(values(facts, "model_performance")) == {("roc_auc",), ("cost",), ("roc_auc_5w",)}
    (limit,) = values(facts, "model_performance_limit")
    assert (limit[0], limit[2]) == ("roc_auc_5w", "below")


@pytest.mark.parametrize(
    ("subject", "bad"), [("calibration_gap_5w", "beyond"), ("cost_2w", "above"),
                         ("log_loss_1w", "above"), ("pr_auc_12w", "below")],
)  # fmt: skip
def test_a_limit_says_which_side_of_it_is_bad(facts: ModelFacts, subject: str, bad: str) -> None:
    rows = facts.measured.with_columns(pl.col("subject").replace("roc_auc_5w", subject))
    (limit,) = values(replace(facts, measured=rows), "model_performance_limit")
    assert limit[2] == bad


def test_what_is_not_known_or_not_finite_has_no_gauge(facts: ModelFacts) -> None:
    for value in (None, float("nan"), float("inf")):
        rows = facts.measured.with_columns(pl.lit(value, pl.Float64).alias("value"))
        shown = replace(facts, measured=rows)
        assert values(shown, "model_drift") == {}
        assert build_summary(shown, []).model_dump_json()
    nothing = replace(facts, measured=facts.measured.clear(), latest={})
    assert values(nothing, "model_coverage_ratio") == {}
    assert values(nothing, "model_arrival_timestamp_seconds") == {}


def test_episodes_and_requests_are_counted(facts: ModelFacts) -> None:
    opened = values(facts, "model_open_episodes")
    assert sum(opened.values()) == len(facts.ledger.open_episodes)
    requests = values(facts, "model_unanswered_requests")
    assert sum(requests.values()) == len(facts.ledger.unanswered)
    assert facts.ledger.champion is not None
    since = values(facts, "model_champion_timestamp_seconds")
    assert since == {(): facts.ledger.champion.at.timestamp()}
