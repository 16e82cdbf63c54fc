"""Renewal of limits: it only tightens."""

import pytest

from configs.schema.monitoring import PerformanceRule
from tasks.evaluation.alarms.limits import RuleLimit
from tasks.monitoring.limits.renewal import tighten_limit


def make_rule(metric: str, rate: float = 2.0) -> PerformanceRule:
    return PerformanceRule.model_validate({"metric": metric, "window": "1w", "false_alarms": rate})


def make_limit(value: float, rate: float = 2.0) -> RuleLimit:
    return RuleLimit(false_alarms=rate, reference=0.7, limit=value, detects=0.1, days=28)


@pytest.mark.parametrize(
    ("metric", "first", "renewed", "kept"),
    [
        ("roc_auc", 0.6, 0.65, 0.65),
        ("roc_auc", 0.6, 0.5, 0.6),  # a decay would loosen it
        ("log_loss", 0.6, 0.5, 0.5),
        ("log_loss", 0.6, 0.7, 0.6),
        ("calibration_gap", 0.1, 0.2, 0.1),
        ("calibration_gap", 0.1, 0.05, 0.05),
    ],
)
def test_a_renewed_limit_is_never_looser(metric, first, renewed, kept):
    assert tighten_limit(make_rule(metric), make_limit(first), make_limit(renewed)).limit == kept


def test_a_limit_of_another_rate_is_replaced():
    assert (
        tighten_limit(make_rule("roc_auc"), make_limit(0.6, rate=1.0), make_limit(0.5)).limit == 0.5
    )
    assert tighten_limit(make_rule("roc_auc"), None, make_limit(0.5)).limit == 0.5
