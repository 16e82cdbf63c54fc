"""What a replay says in words and tables, for the terminal and the page alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from configs.settings import settings
from tasks.evaluation.bootstrap import CALIBRATION, Difference
from tasks.evaluation.metrics import METRIC_NAMES
from tasks.replay.compare import PolicyComparison, PolicyOutcome, are_same_decisions, read_weekly
from tasks.replay.run import Replay

Rows = list[dict[str, str]]
_NAMES = {**METRIC_NAMES, "cost": "cost a row", CALIBRATION: "calibration"}
_HOUR = 3600.0


def policy_title(subject: str) -> str:
    """A subject as people read it."""
    return _NAMES.get(subject, subject)


def describe_period(replay: Replay) -> str:
    """What was replayed, and what was not as it was asked for."""
    plan = replay.plan
    last = plan.end - timedelta(microseconds=1)
    said = f"{plan.start:%Y-%m-%d} to {last:%Y-%m-%d}"
    if plan.end < plan.asked:
        said += f" (asked for more, but the lake's features end at {plan.end:%Y-%m-%d %H:%M})"
    return said


def outcome_rows(
    replay: Replay, found: PolicyComparison, spent: Mapping[str, Mapping[str, float]]
) -> Rows:
    """A row a policy: its numbers over the whole period, what happened, what it took."""
    return [_outcome(replay, found, of, sum(spent[of.policy].values())) for of in found.outcomes]


def _outcome(
    replay: Replay, found: PolicyComparison, of: PolicyOutcome, seconds: float
) -> dict[str, str]:
    plan = replay.plan
    own = found.numbers.filter(pl.col("policy") == of.policy, start=plan.start, end=plan.end)
    whole = {row["subject"]: _with_interval(row) for row in own.to_dicts()}
    return {
        "policy": of.policy,
        **{policy_title(subject): whole.get(subject, "–") for subject in found.subjects},
        "regret": f"{of.regret:,.0f}",
        "best in": f"{of.best:.0%}",
        **{what: str(count) for what, count in of.counts.items()},
        "scored": f"{of.scored:,}",
        "CPU s": f"{seconds:.0f}",
        "money": f"{seconds / _HOUR * settings().cpu_hour_price:.4f}",
    }


def week_rows(found: PolicyComparison, replay: Replay, subject: str) -> Rows:
    """A row a week: the subject of every policy, with its interval."""
    rows: dict[str, dict[str, str]] = {}
    for row in read_weekly(found, replay.plan, subject).to_dicts():
        week = f"{row['start']:%Y-%m-%d}"
        rows.setdefault(week, {"week from": week})[row["policy"]] = _with_interval(row)
    return list(rows.values())


def difference_rows(found: PolicyComparison) -> Rows:
    """A row for each pair of policies and subject: the improvement and what can be said of it."""
    return [
        {
            "policies": f"{one} against {other}",
            "subject": policy_title(of.subject),
            "improvement": f"{_signed(of.improvement)} [{_signed(of.low)}, {_signed(of.high)}]",
            "verdict": describe_verdict(one, other, of),
        }
        for (one, other), subjects in found.differences.items()
        for of in subjects
    ]


def _signed(value: float) -> str:
    return f"{value or 0.0:+.4f}"  # no -0.0000


def describe_verdict(one: str, other: str, of: Difference) -> str:
    """Which of two policies is shown to be better, if one is."""
    if are_same_decisions(of):
        return "the same answers"
    if of.low > 0:
        return f"{one} is better"
    return f"{other} is better" if of.high < 0 else "not significant"


def list_warnings(found: PolicyComparison) -> list[str]:
    """What must be said beside the numbers, whatever they are."""
    best = found.best
    said = [
        "Whatever was chosen with this period in view (thresholds, margins, inputs) flatters the "
        "policies that use it, and one period is one sample."
    ]
    if len(found.outcomes) > 1:
        said.append(
            f"{best.policy} has the least cost of {len(found.outcomes)} policies, and was picked "
            "after they were all seen: its advantage looks larger than it is. Drawing the days "
            f"again, it has the least cost in {best.best:.0%} of the periods."
        )
    if found.differences:
        confidence = next(iter(found.differences.values()))[0].confidence
        said.append(
            f"Every interval of a difference is at {confidence:.1%}, so that all "
            f"{len(found.differences)} pairs share one error rate."
        )
    unproven = [
        f"{one} and {other}"
        for (one, other), subjects in found.differences.items()
        if best.policy in (one, other)
        and all(describe_verdict(one, other, of) == "not significant" for of in subjects)
    ]
    if unproven:
        said.append(f"No difference is significant between {'; nor between '.join(unproven)}.")
    return said


def ledger_rows(found: PolicyComparison, policy: str) -> Rows:
    """What the ledger of a policy says of its champions."""
    kinds = ("alert_raised", "promoted", "refused", "rolled_back")
    return [
        {"when (UTC)": f"{e.at:%Y-%m-%d %H:%M}", "what": e.what.replace("_", " "),
         "version": str(e.version), "why": _why(e.evidence)}
        for e in found.entries[policy]
        if e.what in kinds
    ]  # fmt: skip


def timing_rows(spent: Mapping[str, Mapping[str, float]]) -> Rows:
    """Where the time went: CPU seconds of each policy by kind of work."""
    kinds = sorted({kind for of in spent.values() for kind in of})
    return [
        {"policy": policy, **{kind: f"{of.get(kind, 0):.1f}" for kind in kinds},
         "CPU s": f"{sum(of.values()):.1f}"}
        for policy, of in spent.items()
    ]  # fmt: skip


def format_seconds(phases: Mapping[str, float]) -> str:
    """How long each phase took, by the clock."""
    return "by the clock: " + ", ".join(f"{name} {took:.0f} s" for name, took in phases.items())


def _why(evidence: Mapping[str, Any]) -> str:
    return str(evidence.get("reason") or evidence.get("message") or "")


def _with_interval(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return "–"
    between = "" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
    return f"{row['value']:.3f}{between}"
