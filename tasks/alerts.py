"""From episodes to the alert that asks for retraining.

Episodes of page severity ask for it if they are about performance, or drift of inputs that page:
new rows are then the only cure, and the gate decides whether they are one. A broken contract, a
silence or a bake that shows harm never does, and while one of these pages nothing else does either:
a model must not learn from a hole, nor while its predecessor is being brought back. What is only a
ticket is for people.

One alert at a time: none while another is unanswered or a candidate undecided, and none within
the cooldown after the last retraining began.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl
from prefect import get_run_logger, task

from configs.use_case import UseCase
from tasks.episodes import ACTOR, SILENCE, changes, severity_of
from tasks.events import ask
from tasks.lake import lake_of
from tasks.ledger import Entry, Ledger, open_episodes, unanswered_alerts, undecided_candidates
from tasks.monitoring import history
from tasks.retries import STEADY

_ASK = ("performance", "drift")
_HOLD = ("contract", "bake", SILENCE)


def alert(
    entries: Sequence[Entry], model: str, as_of: datetime, cooldown: timedelta
) -> Entry | None:
    """The alert to raise now, for the oldest open episode that asks for retraining; or none."""
    past = [entry for entry in entries if entry.at <= as_of]
    paging = [e for e in open_episodes(past) if severity_of(e) == "page"]
    asking = [e for e in paging if e.evidence["kind"] in _ASK]
    held = any(e.evidence["kind"] in _HOLD for e in paging)
    started = [e.at for e in past if e.what == "retrain_started"]
    busy = unanswered_alerts(past) or undecided_candidates(past)
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
    return Entry(model, "alert_raised", key, as_of, ACTOR, oldest.version, evidence)


def waiting(entries: Sequence[Entry]) -> list[Entry]:
    """Alerts that nobody has begun to answer; their event may have been lost."""
    keys = {entry.key for entry in entries}
    return [e for e in unanswered_alerts(entries) if f"retrain:{e.key}" not in keys]


def record(book: Ledger, use_case: UseCase, rows: pl.DataFrame, as_of: datetime) -> list[Entry]:
    """Write what changes into the ledger; the entries that are new. Twice is as once.

    `rows` are those of the monitoring table up to `as_of`.
    """
    found = changes(use_case, book.entries(use_case.name), rows, as_of)
    new = [entry for entry, wrote in map(book.record, found) if wrote]
    raised = alert(book.entries(use_case.name), use_case.name, as_of, use_case.retrain.cooldown)
    if raised is not None:
        entry, wrote = book.record(raised)
        new += [entry] if wrote else []
    return new


def record_window(
    book: Ledger, use_case: UseCase, rows: pl.DataFrame, as_of: datetime
) -> list[Entry]:
    """As `record`, for the `rows` of this window and what the monitoring table holds of those
    before.
    """
    before = history(lake_of(use_case.name), as_of).filter(pl.col("as_of") < as_of)
    return record(book, use_case, pl.concat([before, rows]), as_of)


@task(task_run_name="raise alerts", **STEADY)
def raise_alerts(
    book: Ledger, use_case: UseCase, rows: pl.DataFrame, as_of: datetime
) -> list[Entry]:
    """As `record_window`; then send every alert that waits for an answer. The new entries.

    An alert is sent as long as nobody answers it, so a run that was killed between ledger and
    event completes when it runs again.
    """
    new = record_window(book, use_case, rows, as_of)
    for entry in new:
        get_run_logger().warning("%s: %s %s", entry.what, entry.key, entry.evidence)
    for entry in waiting(book.entries(use_case.name)):
        ask(entry)
    return new
