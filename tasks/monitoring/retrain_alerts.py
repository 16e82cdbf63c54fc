"""Retrain alerts: the decision that open episodes request retraining.

An episode requests retraining if its severity is page and it is about performance or drift. New
rows may then help, and the gate decides whether they did. An episode of severity ticket is for
people.

Episodes of the data contract, of freshness or of a bake never request retraining. While one of them
pages, no alert is raised: a model must not learn from missing data, nor during a rollback.

There is one alert at a time: none while another is unanswered or a candidate is undecided, and none
within the cooldown after the last retraining started.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from configs.schema.use_case import UseCase
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.projections import (
    episode_severity,
    list_open_episodes,
    list_unanswered_alerts,
    list_undecided_candidates,
)
from tasks.monitoring.episodes import MONITOR_ACTOR, SILENCE_KIND, change_episodes
from tasks.monitoring.measurements import read_measurements
from tasks.storage.lake import open_lake

_ASK = ("performance", "drift")
_HOLD = ("contract", "bake", SILENCE_KIND)


def find_due_alert(
    entries: Sequence[Entry], model: str, as_of: datetime, cooldown: timedelta
) -> Entry | None:
    """The alert to raise now, for the oldest open episode that asks for retraining; or none."""
    past = [entry for entry in entries if entry.at <= as_of]
    paging = [e for e in list_open_episodes(past) if episode_severity(e) == "page"]
    asking = [e for e in paging if e.evidence["kind"] in _ASK]
    held = any(e.evidence["kind"] in _HOLD for e in paging)
    started = [e.at for e in past if e.what == "retrain_started"]
    busy = list_unanswered_alerts(past) or list_undecided_candidates(past)
    cooling = bool(started) and as_of - max(started) < cooldown
    if not asking or held or busy or cooling:
        return None
    oldest = asking[0]
    causes = [e.evidence["cause"] for e in asking]
    key = f"alert:{oldest.key}:{as_of:%Y-%m-%d}"
    evidence = {
        "episode": oldest.key,
        "causes": causes,
        "message": "; ".join(e.evidence["message"] for e in asking),
    }
    return Entry(model, "alert_raised", key, as_of, MONITOR_ACTOR, oldest.version, evidence)


def list_unclaimed_alerts(entries: Sequence[Entry]) -> list[Entry]:
    """Alerts that nobody has begun to answer; their event may have been lost."""
    keys = {entry.key for entry in entries}
    return [e for e in list_unanswered_alerts(entries) if f"retrain:{e.key}" not in keys]


def record_changes(
    book: Ledger, use_case: UseCase, rows: pl.DataFrame, as_of: datetime
) -> list[Entry]:
    """Write what changes into the ledger; the entries that are new. Twice is as once.

    `rows` are those of the monitoring table up to `as_of`.
    """
    found = change_episodes(use_case, book.entries(use_case.name), rows, as_of)
    new = [entry for entry, wrote in map(book.record, found) if wrote]
    raised = find_due_alert(
        book.entries(use_case.name), use_case.name, as_of, use_case.retrain.cooldown
    )
    if raised is not None:
        entry, wrote = book.record(raised)
        new += [entry] if wrote else []
    return new


def record_window_changes(
    book: Ledger, use_case: UseCase, rows: pl.DataFrame, as_of: datetime
) -> list[Entry]:
    """Run `record_changes` with the rows of this window and the earlier rows of the table.

    Args:
        book: the ledger.
        use_case: rules and cooldown.
        rows: measurements of the window that ends at `as_of`.
        as_of: end of the window.
    """
    before = read_measurements(open_lake(use_case.name), as_of).filter(pl.col("as_of") < as_of)
    return record_changes(book, use_case, pl.concat([before, rows]), as_of)
