"""Check of the monitor's rules: expected false alarms a year, and limits that start no alarm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from configs.clock import write_rate
from configs.schema.monitoring import PerformanceRule
from configs.schema.use_case import UseCase
from tasks.checks.findings import Finding, FindingVerdict
from tasks.evaluation.alarms.limits import RuleLimit
from tasks.ledger.log import open_ledger
from tasks.ledger.projections import find_champion
from tasks.model_cards.limits import describe_delay, list_blind_limits
from tasks.models.card import ModelCard
from tasks.models.registry import open_model
from tasks.monitoring.limits.renewal import find_rule_limits


def check_alarms(use_case: UseCase) -> Iterator[Finding]:
    """Report the expected false alarms of each rule, and the champion's limits out of reach."""
    yield Finding("false alarms", "ok", f"drift: {write_rate(use_case.monitor.drift.false_alarms)}")
    for rule in use_case.monitor.performance:
        rate = "not stated (worse_by)"
        if rule.false_alarms is not None:
            rate = write_rate(rule.false_alarms)
        yield Finding("false alarms", "ok", f"{rule.subject}: {rate}")
    entries = open_ledger().entries(use_case.name)
    champion = find_champion(entries)
    if champion is None or champion.version is None:
        yield Finding("limits", "skipped", "there is no champion yet, so no limit is calibrated")
        return
    model = open_model(use_case.name, champion.version)
    limits = find_rule_limits(model, entries)
    for rule in use_case.monitor.performance:
        if rule.false_alarms is not None:
            yield Finding("limits", *_describe_rule(rule, model.card, limits))
    yield from _check_card(model.card)


def _describe_rule(
    rule: PerformanceRule, card: ModelCard, limits: Mapping[str, RuleLimit]
) -> tuple[FindingVerdict, str]:
    """Return what the calibrated limit of a rule detects; that it judges nothing without one."""
    limit = limits.get(rule.subject)
    if limit is None or limit.false_alarms != rule.false_alarms:
        return "skipped", (
            f"{rule.subject}: version of {card.end:%Y-%m-%d} has no limit for this rate, so the "
            "rule judges nothing. The next monitor run calibrates one from a week of judged rows"
        )
    return "ok", (
        f"{rule.subject}: limit {limit.limit:.4g} against {limit.reference:.4g} on {limit.days} "
        f"days; 80% of full windows show a loss of {limit.detects:.3g}; {describe_delay(limit)}"
    )


def _check_card(card: ModelCard) -> Iterator[Finding]:
    blind = list_blind_limits(card.reference)
    for sentence in blind:
        yield Finding("limits", "ok", sentence)
    if not blind:
        yield Finding("limits", "ok", "each drift and null limit can be exceeded")
