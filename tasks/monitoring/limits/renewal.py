"""Renewal of calibrated limits, as a champion is judged on more days.

A renewed limit is taken only if it is tighter than that of the version's card. So a decay that is
too slow to open an episode cannot loosen the limit that has to find it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from configs.errors import NoRows
from configs.schema.monitoring import PerformanceRule
from configs.schema.use_case import UseCase
from tasks.evaluation.alarms.limits import RuleLimit, calibrate_limits
from tasks.evaluation.metrics import LOWER_IS_BETTER
from tasks.ledger.evidence import LimitsRenewed, read_evidence
from tasks.ledger.limit_entries import make_limits_renewed
from tasks.ledger.log import Entry, Ledger
from tasks.models.registry import Model
from tasks.monitoring.episodes import MONITOR_ACTOR
from tasks.monitoring.limits.judged_rows import find_judged_span, read_judged_rows

GROWTH = 1.25  # of the judged days, from which limits are calibrated again
_FEWEST_DAYS = 7  # with fewer there is no limit
_DAY = timedelta(days=1)


def find_rule_limits(
    model: Model, entries: Sequence[Entry], as_of: datetime | None = None
) -> dict[str, RuleLimit]:
    """Return the limits of a version in force before a moment (now), by subject.

    Args:
        model: the version, whose card has its first limits.
        entries: the ledger of the use case.
        as_of: the moment.
    """
    last = _find_renewal(model, entries, as_of)
    return model.card.limits if last is None else model.card.limits | last.limits


def renew_limits(book: Ledger, use_case: UseCase, model: Model, as_of: datetime) -> Entry | None:
    """Calibrate the limits of a champion on all its judged rows, and record them if that is due.

    It is due when the judged days have grown by a quarter. Idempotent.

    Args:
        book: the ledger.
        use_case: the rules.
        model: the champion.
        as_of: end of the monitored window.
    """
    rules = [rule for rule in use_case.monitor.performance if rule.false_alarms is not None]
    if not rules:
        return None
    entries = book.entries(use_case.name)
    start, end = find_judged_span(use_case, entries, model, as_of)
    days = (end - start) // _DAY
    before = _count_calibrated_days(model, rules, entries, start, as_of)
    if days < max(_FEWEST_DAYS, GROWTH * before):
        return None
    try:
        judged = read_judged_rows(use_case, entries, model, as_of)
    except NoRows:
        return None
    calibrated = calibrate_limits(judged.use_case, judged.rows, judged.predictions)
    first = model.card.limits
    limits = {
        rule.subject: tighten_limit(rule, first.get(rule.subject), calibrated[rule.subject])
        for rule in rules
        if rule.subject in calibrated
    }
    reason = f"{days} judged days"
    evidence = LimitsRenewed(reason=reason, days=days, limits=limits)
    entry = make_limits_renewed(use_case.name, model.version, as_of, MONITOR_ACTOR, evidence)
    return book.record(entry)[0]


def tighten_limit(rule: PerformanceRule, first: RuleLimit | None, renewed: RuleLimit) -> RuleLimit:
    """Return the tighter limit of a rule; the renewed one if the first has another rate.

    Args:
        rule: metric and rate.
        first: the limit of the version's card.
        renewed: the limit from all judged days.
    """
    if first is None or first.false_alarms != rule.false_alarms:
        return renewed
    lower = rule.metric in LOWER_IS_BETTER or rule.metric == "calibration_gap"
    is_tighter = renewed.limit < first.limit if lower else renewed.limit > first.limit
    return renewed if is_tighter else first


def _count_calibrated_days(
    model: Model,
    rules: Sequence[PerformanceRule],
    entries: Sequence[Entry],
    start: datetime,
    as_of: datetime,
) -> int:
    """Return the days behind the limits in force; 0 if a rule has none for its rate.

    Args:
        model: the champion.
        rules: those with a rate.
        entries: the ledger of the use case.
        start: first judged prediction time.
        as_of: moment before which limits are in force.
    """
    limits = find_rule_limits(model, entries, as_of)
    rates = {subject: limit.false_alarms for subject, limit in limits.items()}
    if any(rates.get(rule.subject) != rule.false_alarms for rule in rules):
        return 0
    last = _find_renewal(model, entries, as_of)
    return (model.card.end - start) // _DAY if last is None else last.days


def _find_renewal(
    model: Model, entries: Sequence[Entry], as_of: datetime | None
) -> LimitsRenewed | None:
    renewals = [
        e
        for e in entries
        if e.what == "limits_renewed"
        and e.version == model.version
        and (as_of is None or e.at < as_of)
    ]
    return read_evidence(renewals[-1], LimitsRenewed) if renewals else None
