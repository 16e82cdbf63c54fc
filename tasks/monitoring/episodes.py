"""Episodes: a cause, for example performance:roc_auc_5w, whose measurements stay bad.

A window is bad when its verdict is ticket or page. The rule of the cause says how many of its last
windows must be bad. So one bad week pages no one, and one good week does not close an episode:

    opens    the latest window is bad, and at least `bad` of the last `of` are
    closes   the latest is good, and fewer than `bad` of the last `of` are bad;
             or the champion changed, which is another model

Only windows of the current champion that have a verdict count. Episodes of freshness are opened and
closed by freshness.py, those of lost rows by lost_rows.py, those of damaged files by the verify
flow, those of errors and latency by the technical gate, and those of Alertmanager's alerts by the
reports server.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl

from configs.schema.monitoring import Rule
from configs.schema.use_case import UseCase
from tasks.ledger.causes import SEPARATE_KINDS, join_cause, split_cause
from tasks.ledger.entries import make_episode_closed, make_episode_opened
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.ledger.log import Entry
from tasks.ledger.state import LedgerState

MONITOR_ACTOR = "monitor"
_BAD_VERDICTS = ("ticket", "page")
Windows = dict[str, list[dict[str, Any]]]


def find_episode_changes(
    use_case: UseCase, ledger: LedgerState, rows: pl.DataFrame, as_of: datetime
) -> list[Entry]:
    """Return the entries of episodes that open or close at `as_of`.

    Measurements of an earlier champion open no episode: the current one is another model.

    Args:
        use_case: the rules.
        ledger: the state of the ledger.
        rows: rows of the monitoring table up to `as_of`.
        as_of: end of the latest window.
    """
    past = ledger.at(as_of)
    windows = _group_windows(use_case, rows, past.champion_version, as_of)
    opened = [
        e for e in past.open_episodes if read_evidence(e, EpisodeOpened).kind not in SEPARATE_KINDS
    ]
    reasons = {
        e.key: reason
        for e in opened
        if (reason := _closing_reason(use_case, e, past.champion, windows))
    }
    lasting = {read_evidence(e, EpisodeOpened).cause for e in opened if e.key not in reasons}
    starting = [
        cause
        for cause, last in windows.items()
        if cause not in lasting
        and _is_bad(last[-1])
        and _has_enough_bad(last, find_rule(use_case, cause))
    ]
    closing = [
        make_episode_closed(e, reasons[e.key], as_of, MONITOR_ACTOR)
        for e in opened
        if e.key in reasons
    ]
    return closing + [_open_episode(use_case, cause, windows[cause], as_of) for cause in starting]


def describe_causes(
    use_case: UseCase, ledger: LedgerState, rows: pl.DataFrame, as_of: datetime
) -> dict[str, str]:
    """Return what is measured at `as_of` for each cause that has a verdict, in words.

    Args:
        use_case: the rules.
        ledger: the state of the ledger.
        rows: rows of the monitoring table up to `as_of`.
        as_of: end of the latest window.
    """
    windows = _group_windows(use_case, rows, ledger.at(as_of).champion_version, as_of)
    return {
        cause: _describe_value(cause, last[-1]) + _describe_count(last, find_rule(use_case, cause))
        for cause, last in windows.items()
    }


def find_rule(use_case: UseCase, cause: str) -> Rule:
    """Return the rule of a cause; without one, an episode opens and closes at one window."""
    kind, subject = split_cause(cause)
    if kind == "performance":
        rules = {rule.subject: rule for rule in use_case.monitor.performance}
        return rules.get(subject, Rule())
    monitor = use_case.monitor
    return {"drift": monitor.drift, "contract": monitor.contract}.get(kind, Rule())


def _group_windows(
    use_case: UseCase, rows: pl.DataFrame, version: int | None, as_of: datetime
) -> Windows:
    """Return the last windows, oldest first, of each cause that has a verdict at `as_of`."""
    rules = (use_case.monitor.drift, use_case.monitor.contract, *use_case.monitor.performance)
    own = rows.filter(pl.col("model_version") == version, pl.col("as_of") <= as_of)
    judged = own.filter(pl.col("verdict").is_not_null()).sort("as_of", maintain_order=True)
    last = judged.group_by("kind", "subject", maintain_order=True)
    windows: Windows = {}
    for row in last.tail(max(rule.of for rule in rules)).to_dicts():
        windows.setdefault(_row_cause(row), []).append(row)
    now = judged.filter(pl.col("as_of") == as_of).select("kind", "subject")
    return {cause: windows[cause] for cause in map(_row_cause, now.to_dicts())}


def _row_cause(row: dict[str, Any]) -> str:
    return join_cause(row["kind"], row["subject"])


def _is_bad(window: dict[str, Any]) -> bool:
    return window["verdict"] in _BAD_VERDICTS


def _has_enough_bad(windows: Sequence[dict[str, Any]], rule: Rule) -> bool:
    return sum(map(_is_bad, windows[-rule.of :])) >= rule.bad


def _closing_reason(
    use_case: UseCase, episode: Entry, champion: Entry | None, windows: Windows
) -> str | None:
    """Return why an episode closes; None while it stays open."""
    if champion is not None and champion.seq > episode.seq:
        change = "came back" if champion.what == "rolled_back" else "took over"
        return f"version {champion.version} {change}"
    cause = read_evidence(episode, EpisodeOpened).cause
    last = windows.get(cause)
    if last is None or _is_bad(last[-1]) or _has_enough_bad(last, find_rule(use_case, cause)):
        return None
    return "the latest window is good"


def _open_episode(
    use_case: UseCase, cause: str, windows: Sequence[dict[str, Any]], as_of: datetime
) -> Entry:
    row, rule = windows[-1], find_rule(use_case, cause)
    evidence = EpisodeOpened(
        cause=cause,
        kind=row["kind"],
        severity=row["verdict"],
        message=_describe_value(cause, row) + _describe_count(windows, rule),
        value=row["value"],
        reference=row["reference"],
        threshold=row["threshold"],
        coverage=row["coverage"],
        rows=row["rows"],
    )
    return make_episode_opened(use_case.name, row["model_version"], as_of, MONITOR_ACTOR, evidence)


def _describe_value(cause: str, row: dict[str, Any]) -> str:
    limits = {"reference": row["reference"], "limit": row["threshold"]}
    known = [f"{name} {value:.4g}" for name, value in limits.items() if value is not None]
    value = "bad" if row["value"] is None else f"{row['value']:.4g}"
    return ", ".join([f"{cause} is {value}", *known])


def _describe_count(windows: Sequence[dict[str, Any]], rule: Rule) -> str:
    """Return how many windows were bad, for a rule with more than one window."""
    last = windows[-rule.of :]
    return "" if rule.of == 1 else f"; bad in {sum(map(_is_bad, last))} of {len(last)} windows"
