"""Retrain alerts: the decision that open episodes request retraining.

An episode requests retraining if its severity is page and it is about performance or drift. New
rows may then help, and the gate decides whether they did. An episode of severity ticket is for
people.

Episodes of the data contract, of freshness, of lost rows, of damaged files, of errors and latency
or of a bake never request retraining. While one of them pages, no alert is raised: a model must not
learn from missing or damaged data, nor during a rollback.

There is one alert at a time: none while another is unanswered or a candidate is undecided. There is
none within the cooldown after the last retraining started, or after a scheduled training: rows are
nearly the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from configs.schema.use_case import UseCase
from tasks.ledger.causes import BAKE_KIND, MINUTE_KINDS, TARGET_KIND
from tasks.ledger.entries import make_alert_raised
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.retrain_cooldown import list_trainings_in_cooldown
from tasks.ledger.state import LedgerState, read_ledger_state
from tasks.monitoring.episodes import MONITOR_ACTOR, describe_causes, find_episode_changes
from tasks.monitoring.measurements import read_measurements
from tasks.storage.lake import open_lake

_RETRAIN_KINDS = ("performance", "drift")
_BLOCKING_KINDS = {"contract", BAKE_KIND, *MINUTE_KINDS} - {TARGET_KIND}


def find_due_alert(
    ledger: LedgerState,
    as_of: datetime,
    cooldown: timedelta,
    messages: Mapping[str, str] | None = None,
) -> Entry | None:
    """Return the alert to raise for the open episodes that request retraining; None if not due.

    Args:
        ledger: the state of the ledger.
        as_of: time of the alert; later entries are ignored.
        cooldown: no alert within this time after a retraining started, or after the train flow
            registered a candidate.
        messages: what is measured now, by cause.
    """
    past = ledger.at(as_of)
    opened = [(e, read_evidence(e, EpisodeOpened)) for e in past.open_episodes]
    paging = [(e, shown.kind) for e, shown in opened if shown.severity == "page"]
    requesting = [e for e, kind in paging if kind in _RETRAIN_KINDS]
    blocked = any(kind in _BLOCKING_KINDS for _, kind in paging)
    busy = past.list_requests("alert_raised") or past.undecided_candidates
    cooling = list_trainings_in_cooldown(past.entries, as_of, cooldown)
    if not requesting or blocked or busy or cooling:
        return None
    return make_alert_raised(requesting, as_of, MONITOR_ACTOR, messages)


def record_changes(
    book: Ledger, use_case: UseCase, rows: pl.DataFrame, as_of: datetime
) -> list[Entry]:
    """Record episodes that open or close, and a due alert; return the new entries. Idempotent.

    Args:
        book: the ledger.
        use_case: rules and cooldown.
        rows: rows of the monitoring table up to `as_of`.
        as_of: end of the latest window.
    """
    before = read_ledger_state(book, use_case.name)
    changes = find_episode_changes(use_case, before, rows, as_of)
    new = [entry for entry, wrote in map(book.record, changes) if wrote]
    ledger = read_ledger_state(book, use_case.name)
    messages = describe_causes(use_case, before, rows, as_of)
    alert = find_due_alert(ledger, as_of, use_case.retrain.cooldown, messages)
    if alert is not None:
        entry, wrote = book.record(alert)
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
