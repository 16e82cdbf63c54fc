"""Results of a replay as tables and sentences, for the terminal and the report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from configs.settings import settings
from tasks.evaluation.bootstrap import CALIBRATION, Difference
from tasks.evaluation.metrics import METRIC_NAMES
from tasks.ledger.descriptions import read_reason
from tasks.ledger.log import EntryKind
from tasks.replay.compare import PolicyComparison, PolicyOutcome, are_same_decisions, read_weekly
from tasks.replay.run import Replay
from tasks.reporting.formats import (
    MISSING,
    format_count,
    format_interval,
    format_moment,
    format_number,
    format_seconds,
    format_share,
)
from tasks.reporting.table import Column, Table, build_record_table, build_table

CpuSeconds = Mapping[str, Mapping[str, float]]  # of each policy, by kind of work
_NAMES = {**METRIC_NAMES, "cost": "cost a row", CALIBRATION: "calibration"}
_HOUR = 3600.0
_SHOWN_EVENTS: tuple[EntryKind, ...] = ("alert_raised", "promoted", "refused", "rolled_back")


def name_subject(subject: str) -> str:
    """Return the displayed name of a measured subject."""
    return _NAMES.get(subject, subject)


def describe_period(replay: Replay) -> str:
    """Describe the replayed period, and whether it is shorter than requested."""
    plan = replay.plan
    last = plan.end - timedelta(microseconds=1)
    period = f"{plan.start:%Y-%m-%d} to {last:%Y-%m-%d}"
    if plan.end < plan.asked:
        end = format_moment(plan.end)
        return f"{period} (shorter than requested: the lake's features end at {end})"
    return period


def tabulate_outcomes(replay: Replay, comparison: PolicyComparison, spent: CpuSeconds) -> Table:
    """Return a row for each policy: its metrics over the whole period, events, and compute."""
    return build_record_table(
        [
            _outcome_record(replay, comparison, outcome, sum(spent[outcome.policy].values()))
            for outcome in comparison.outcomes
        ],
        "results by policy",
    )


def tabulate_weeks(comparison: PolicyComparison, replay: Replay, subject: str) -> Table:
    """Return a row for each week: the subject of every policy, with its interval."""
    rows: dict[str, dict[str, str]] = {}
    for row in read_weekly(comparison, replay.plan, subject).to_dicts():
        week = f"{row['start']:%Y-%m-%d}"
        rows.setdefault(week, {"week from": week})[row["policy"]] = _format_estimate(row)
    policies = list(dict.fromkeys(name for row in rows.values() for name in row))
    records = [{name: row.get(name) for name in policies} for row in rows.values()]
    return build_record_table(records, name_subject(subject))


def tabulate_differences(comparison: PolicyComparison) -> Table:
    """Return a row for each pair of policies and subject: the improvement and its verdict."""
    rows = [
        (
            f"{first} against {second}",
            name_subject(difference.subject),
            _format_improvement(difference),
            describe_verdict(first, second, difference),
        )
        for (first, second), differences in comparison.differences.items()
        for difference in differences
    ]
    columns = ("policies", "subject", "improvement", "verdict")
    return build_table(columns, rows, "differences between policies")


def tabulate_decisions(comparison: PolicyComparison, policy: str) -> Table:
    """Return the alerts and decisions of a policy's ledger."""
    rows = [
        (
            format_moment(entry.at),
            entry.what.replace("_", " "),
            None if entry.version is None else str(entry.version),
            read_reason(entry),
        )
        for entry in comparison.entries[policy]
        if entry.what in _SHOWN_EVENTS
    ]
    return build_table(("when (UTC)", "what", "version", "why"), rows)


def tabulate_cpu_seconds(spent: CpuSeconds) -> Table:
    """Return a row for each policy: its CPU seconds by kind of work."""
    kinds = sorted({kind for seconds in spent.values() for kind in seconds})
    rows = [
        (
            policy,
            *(format_number(seconds.get(kind, 0), 1) for kind in kinds),
            format_number(sum(seconds.values()), 1),
        )
        for policy, seconds in spent.items()
    ]
    columns: list[str | Column] = ["policy", *(Column(kind, "right") for kind in (*kinds, "CPU s"))]
    return build_table(columns, rows, "CPU seconds by kind of work")


def describe_phases(phases: Mapping[str, float]) -> str:
    """Describe the wall time of each phase."""
    times = (f"{name} {format_seconds(seconds)}" for name, seconds in phases.items())
    return f"wall time: {', '.join(times)}"


def describe_verdict(first: str, second: str, difference: Difference) -> str:
    """Describe which of two policies is shown to be better, if one is.

    Args:
        first: The policy on the challenger's side of the difference.
        second: The policy on the champion's side.
        difference: The improvement of the first over the second, with its interval.
    """
    if are_same_decisions(difference):
        return "the same predictions"
    if difference.low > 0:
        return f"{first} is better"
    return f"{second} is better" if difference.high < 0 else "not significant"


def list_warnings(comparison: PolicyComparison) -> list[str]:
    """Return what a reader must know before trusting the results."""
    best = comparison.best
    warnings = [
        "Thresholds, margins or inputs that were chosen on this period favour the policies that "
        "use them. One period is one sample."
    ]
    if len(comparison.outcomes) > 1:
        warnings.append(
            f"{best.policy} has the lowest cost of {len(comparison.outcomes)} policies. It was "
            "selected after all results were known, so its advantage is overestimated. It has the "
            f"lowest cost in {format_share(best.best)} of the resampled periods."
        )
    if comparison.differences:
        confidence = next(iter(comparison.differences.values()))[0].confidence
        warnings.append(
            f"Every interval of a difference has {format_share(confidence, 1)} confidence, so that "
            f"all {len(comparison.differences)} pairs share one error rate."
        )
    unproven = [
        f"{first} and {second}"
        for (first, second), differences in comparison.differences.items()
        if best.policy in (first, second)
        and all(describe_verdict(first, second, d) == "not significant" for d in differences)
    ]
    if unproven:
        warnings.append(f"No difference is significant between {'; nor between '.join(unproven)}.")
    return warnings


def _outcome_record(
    replay: Replay, comparison: PolicyComparison, outcome: PolicyOutcome, seconds: float
) -> dict[str, str]:
    plan = replay.plan
    own = comparison.numbers.filter(
        pl.col("policy") == outcome.policy, start=plan.start, end=plan.end
    )
    whole = {row["subject"]: _format_estimate(row) for row in own.to_dicts()}
    return {
        "policy": outcome.policy,
        **{name_subject(subject): whole.get(subject, MISSING) for subject in comparison.subjects},
        "regret": format_count(outcome.regret),
        "best in": format_share(outcome.best),
        **{name: str(count) for name, count in outcome.counts.items()},
        "scored": format_count(outcome.scored),
        "CPU s": format_number(seconds, 0),
        "money": format_number(seconds / _HOUR * settings().cpu_hour_price, 4),
    }


def _format_improvement(difference: Difference) -> str:
    limits = (difference.low, difference.high)
    return format_interval(difference.improvement, *limits, 4, signed=True)


def _format_estimate(row: Mapping[str, Any]) -> str:
    return format_interval(row["value"], row["low"], row["high"], 3)
