"""Who answers an alert, and what has to be asked for again, because nobody is at it.

An alert is answered by a candidate, a candidate by what is decided about it, and so on. Events and
runs may be lost on the way; the ledger's entries are not, so all of this is decided from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from configs.clock import utc_or_now
from tasks.ledger.log import Entry
from tasks.orchestration.flow_runs import FlowRun

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(days=1)


def find_overdue(waiting: Sequence[Entry], runs: Sequence[FlowRun], now: datetime) -> list[Entry]:
    """The entries that no run is at, and none was for a while: longer after each that failed."""
    return [entry for entry in waiting if _is_overdue([r for r in runs if _is_for(r, entry)], now)]


def _is_overdue(runs: Sequence[FlowRun], now: datetime) -> bool:
    if not runs:
        return True
    ends = [run.ended for run in runs if run.ended is not None]
    pause = min(FIRST_PAUSE * 2 ** min(len(runs) - 1, 16), LONGEST_PAUSE)
    return len(ends) == len(runs) and now - max(ends) >= pause


def answering_flow(entry: Entry) -> str:
    """The flow whose runs answer an entry."""
    return {"alert_raised": "retrain", "rollback_asked": "rollback"}.get(entry.what, "promote")


def _is_for(run: FlowRun, entry: Entry) -> bool:
    """Whether a run of the answering flow is about the entry.

    A step is one of several of its version, told apart by their moments. A run that is suspended
    waits for a person's answer: it is at everything but that answer.
    """
    given = run.parameters
    if entry.what == "alert_raised":
        return given.get("alert") == entry.key
    if entry.what == "rollback_asked":
        return given.get("promotion") == str(entry.evidence["promotion"])
    if given.get("version") != entry.version:
        return False
    if entry.what in ("approved", "rejected"):
        return not run.suspended
    return entry.what != "step_asked" or _moment(given.get("as_of")) == entry.at


def _moment(given: object) -> datetime | None:
    return None if given is None else utc_or_now(datetime.fromisoformat(str(given)))
