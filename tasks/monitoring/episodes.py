"""Episodes: a cause, for example performance:roc_auc_5w, whose measurements stay bad.

A window is bad when its verdict is ticket or page. The rule of the cause says how many of its last
windows must be bad. So one bad week pages no one, and one good week does not close an episode:

    opens    the latest window is bad, and at least `bad` of the last `of` are
    closes   the latest is good, and fewer than `bad` of the last `of` are bad;
             or the champion changed, which is another model

Only windows of the current champion that have a verdict count. Episodes of freshness are opened and
closed by freshness.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl

from configs.schema.monitoring import Rule
from configs.schema.use_case import UseCase
from tasks.ledger.entries import make_episode_closed, make_episode_opened
from tasks.ledger.evidence import (
    SILENCE_KIND,
    EpisodeOpened,
    join_cause,
    read_evidence,
    split_cause,
)
from tasks.ledger.log import Entry
from tasks.ledger.state import LedgerState
from tasks.monitoring import performance

MONITOR_ACTOR = "monitor"
_BAD = ("ticket", "page")
Windows = dict[str, list[dict[str, Any]]]


def change_episodes(
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
    windows = _windows(use_case, rows, past.champion_version, as_of)
    opened = [e for e in past.open_episodes if read_evidence(e, EpisodeOpened).kind != SILENCE_KIND]
    over = {e.key: why for e in opened if (why := _over(use_case, e, past.champion, windows))}
    lasting = {read_evidence(e, EpisodeOpened).cause for e in opened if e.key not in over}
    starting = [
        cause
        for cause, of in windows.items()
        if cause not in lasting and _is_bad(of[-1]) and _enough(of, rule_for_cause(use_case, cause))
    ]
    closing = [
        make_episode_closed(e, over[e.key], as_of, MONITOR_ACTOR) for e in opened if e.key in over
    ]
    return closing + [_open(use_case, cause, windows[cause], as_of) for cause in starting]


def rule_for_cause(use_case: UseCase, cause: str) -> Rule:
    """The rule that a cause is judged by; what has none of its own opens and closes at once."""
    kind, subject = split_cause(cause)
    if kind == "performance":
        rules = {performance.rule_subject(rule): rule for rule in use_case.monitor.performance}
        return rules.get(subject, Rule())
    monitor = use_case.monitor
    return {"drift": monitor.drift, "contract": monitor.contract}.get(kind, Rule())


def _windows(
    use_case: UseCase, rows: pl.DataFrame, version: int | None, as_of: datetime
) -> Windows:
    """Return the last windows, oldest first, of each cause that has a verdict at `as_of`."""
    rules = (use_case.monitor.drift, use_case.monitor.contract, *use_case.monitor.performance)
    own = rows.filter(pl.col("model_version") == version, pl.col("as_of") <= as_of)
    judged = own.filter(pl.col("verdict").is_not_null()).sort("as_of", maintain_order=True)
    last = judged.group_by("kind", "subject", maintain_order=True)
    found: Windows = {}
    for row in last.tail(max(rule.of for rule in rules)).to_dicts():
        found.setdefault(_cause(row), []).append(row)
    now = judged.filter(pl.col("as_of") == as_of).select("kind", "subject")
    return {cause: found[cause] for cause in map(_cause, now.to_dicts())}


def _cause(row: dict[str, Any]) -> str:
    return join_cause(row["kind"], row["subject"])


def _is_bad(window: dict[str, Any]) -> bool:
    return window["verdict"] in _BAD


def _enough(windows: Sequence[dict[str, Any]], rule: Rule) -> bool:
    return sum(map(_is_bad, windows[-rule.of :])) >= rule.bad


def _over(
    use_case: UseCase, episode: Entry, reigning: Entry | None, windows: Windows
) -> str | None:
    """Why an episode is over; None while it is not."""
    if reigning is not None and reigning.seq > episode.seq:
        how = "came back" if reigning.what == "rolled_back" else "took over"
        return f"version {reigning.version} {how}"
    cause = read_evidence(episode, EpisodeOpened).cause
    of = windows.get(cause)
    if of is None or _is_bad(of[-1]) or _enough(of, rule_for_cause(use_case, cause)):
        return None
    return "it is good again"


def _open(
    use_case: UseCase, cause: str, windows: Sequence[dict[str, Any]], as_of: datetime
) -> Entry:
    row, rule = windows[-1], rule_for_cause(use_case, cause)
    evidence = EpisodeOpened(
        cause=cause,
        kind=row["kind"],
        severity=row["verdict"],
        message=_message(cause, row) + _since(windows, rule),
        value=row["value"],
        reference=row["reference"],
        threshold=row["threshold"],
        coverage=row["coverage"],
        rows=row["rows"],
    )
    return make_episode_opened(use_case.name, row["model_version"], as_of, MONITOR_ACTOR, evidence)


def _message(cause: str, row: dict[str, Any]) -> str:
    named = {"reference": row["reference"], "limit": row["threshold"]}
    said = [f"{name} {value:.4g}" for name, value in named.items() if value is not None]
    value = "bad" if row["value"] is None else f"{row['value']:.4g}"
    return ", ".join([f"{cause} is {value}", *said])


def _since(windows: Sequence[dict[str, Any]], rule: Rule) -> str:
    """Return how many windows were bad, for a rule with more than one window."""
    last = windows[-rule.of :]
    return "" if rule.of == 1 else f"; bad in {sum(map(_is_bad, last))} of {len(last)} windows"
