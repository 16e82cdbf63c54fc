"""Trends: what a metric was by window, and causes in words."""

import pytest

from tasks.overview.facts import ModelFacts
from tasks.overview.trends import build_trend, build_windows, describe_cause, list_shown_metrics


def test_build_trend_has_a_number_for_each_window(facts: ModelFacts) -> None:
    trend = build_trend(facts.use_case, facts.measured, "roc_auc")
    lists = (trend.values, trend.low, trend.high, trend.references, trend.limits, trend.ruled)
    assert {len(each) for each in lists} == {len(trend.ends)} == {12}
    assert trend.ends == sorted(trend.ends)
    assert (trend.rule, trend.limit, trend.lower_is_better) == ("5w", 0.66, False)
    between = zip(trend.low, trend.values, trend.high, strict=True)
    assert all(low < value < high for low, value, high in between)


def test_build_trend_of_a_metric_without_a_rule_has_no_limit(facts: ModelFacts) -> None:
    trend = build_trend(facts.use_case, facts.measured, "cost")
    assert (trend.limit, trend.rule, trend.reference, trend.lower_is_better) == (
        None, "", 0.47, True,
    )  # fmt: skip


def test_trends_of_nothing_are_empty(facts: ModelFacts) -> None:
    trend = build_trend(facts.use_case, facts.measured.clear(), "roc_auc")
    assert (trend.values, trend.last, trend.limit) == ([], None, None)
    assert build_windows(facts.measured.clear()).is_empty()


def test_list_shown_metrics_has_cost_once(facts: ModelFacts) -> None:
    assert list_shown_metrics(facts.use_case) == ("roc_auc", "cost")
    gate = facts.use_case.gate.model_copy(update={"metric": "cost"})
    assert list_shown_metrics(facts.use_case.model_copy(update={"gate": gate})) == ("cost",)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("performance:calibration_gap_5w", "calibration gap over 5w"),
        ("performance:roc_auc_2w", "ROC AUC over 2w"),
        ("contract:missing_days:departures", "missing days of departures"),
        ("contract:rows:weather", "number of rows of weather"),
        ("silence:labelled", "late: labelled"),
        ("drift:wind_speed", "drift of wind_speed"),
        ("lost:arrivals", "lost rows of arrivals"),
        ("bake:cost", "bake: cost"),
        ("other", "other: "),
    ],
)
def test_describe_cause_says_it_as_a_person_would(cause: str, words: str) -> None:
    assert describe_cause(cause) == words
