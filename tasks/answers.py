"""Who answers an alert, and what has to be asked for again, because nobody is at it.

An alert is answered by a candidate, a candidate by what is decided about it, and so on. Events and
runs may be lost on the way; the ledger's entries are not, so all of this is decided from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from prefect import get_run_logger, runtime, task

from configs.clock import moment
from configs.errors import Terminal
from configs.use_case import UseCase
from tasks.approval import pass_on
from tasks.events import ask
from tasks.ledger import Entry, Ledger, ledger, unanswered
from tasks.retries import STEADY
from tasks.runs import Run, is_alive, latest_runs

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(days=1)


@dataclass(frozen=True)
class Claim:
    """What a run is to do about an alert, and why.

    train: nobody else does. answered: by `version`, recorded already. covered: by `version`, which
    another alert within the cooldown asked for. busy: somebody else is at it.
    """

    alert: Entry
    verdict: Literal["train", "answered", "covered", "busy"]
    reason: str
    version: int | None = None


def claim(
    book: Ledger, use_case: UseCase, key: str, run: str, alive: Callable[[str], bool]
) -> Claim:
    """Claim an alert for a run, once; a claim whose run is no longer `alive` is taken over.

    Training twice for one alert is only waste (one alert registers one version), so a take-over
    needs no record of its own. Terminal if the ledger has no such alert.
    """
    entries = book.entries(use_case.name)
    alert = _alert(entries, key)
    if (done := _candidate(entries, key)) is not None:
        return Claim(alert, "answered", f"version {done.version} answers it", done.version)
    if (other := _before(entries, alert, use_case.retrain.cooldown)) is not None:
        return _after(entries, alert, other)
    evidence = {"alert": key, "run": run}
    mine = Entry(
        alert.model, "retrain_started", f"retrain:{key}", alert.at, f"retrain {run}", None, evidence
    )
    holder = book.record(mine)[0].evidence["run"]
    if holder != run and alive(holder):
        return Claim(alert, "busy", f"the run {holder} is at it")
    return Claim(alert, "train", f"raised by {alert.actor}: {alert.evidence.get('message', key)}")


def overdue(waiting: Sequence[Entry], runs: Sequence[Run], now: datetime) -> list[Entry]:
    """The entries that no run is at, and none was for a while: longer after each that failed."""
    return [entry for entry in waiting if _is_overdue([r for r in runs if _is_for(r, entry)], now)]


def _is_overdue(runs: Sequence[Run], now: datetime) -> bool:
    if not runs:
        return True
    ends = [run.ended for run in runs if run.ended is not None]
    pause = min(FIRST_PAUSE * 2 ** min(len(runs) - 1, 16), LONGEST_PAUSE)
    return len(ends) == len(runs) and now - max(ends) >= pause


def answering(entry: Entry) -> str:
    """The flow whose runs answer an entry."""
    return {"alert_raised": "retrain", "rollback_asked": "rollback"}.get(entry.what, "promote")


def _is_for(run: Run, entry: Entry) -> bool:
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
    return None if given is None else moment(datetime.fromisoformat(str(given)))


def _alert(entries: Sequence[Entry], key: str) -> Entry:
    for entry in entries:
        if entry.what == "alert_raised" and entry.key == key:
            return entry
    raise Terminal(f"the ledger has no alert {key!r}; to train without one, run the train flow")


def _candidate(entries: Sequence[Entry], key: str) -> Entry | None:
    return next((e for e in entries if e.key == f"candidate:{key}"), None)


def _before(entries: Sequence[Entry], alert: Entry, cooldown: timedelta) -> Entry | None:
    """The last retraining for another alert, if it began within the cooldown before this one."""
    recent = [
        e
        for e in entries
        if e.what == "retrain_started"
        and e.evidence["alert"] != alert.key
        and e.at <= alert.at < e.at + cooldown
    ]
    return recent[-1] if recent else None


def _after(entries: Sequence[Entry], alert: Entry, started: Entry) -> Claim:
    """What is left to do about an alert when a retraining began a short while before it."""
    other = started.evidence["alert"]
    found = _candidate(entries, other)
    if found is None:
        return Claim(alert, "busy", f"{other} was first, and is not answered yet")
    return Claim(alert, "covered", f"{other} was first: version {found.version}", found.version)


@task(task_run_name="claim {key}", **STEADY)
def claim_alert(use_case: UseCase, key: str) -> Claim:
    """As `claim`, for the flow run that this task runs in."""
    made = claim(ledger(), use_case, key, str(runtime.flow_run.id), is_alive)
    get_run_logger().info("%s: %s, %s", key, made.verdict, made.reason)
    return made


@task(task_run_name="ask again", **STEADY)
def ask_again(use_case: UseCase, now: datetime) -> list[Entry]:
    """Ask again for what is overdue; the entries. `now` is the server's time, not the flows'.

    An answer goes to the run that waits for it, if one does.
    """
    waiting = unanswered(ledger().entries(use_case.name))
    late = []
    for flow in ("retrain", "promote", "rollback"):
        its = [entry for entry in waiting if answering(entry) == flow]
        late += overdue(its, latest_runs(flow, use_case.name), now) if its else []
    for entry in late:
        get_run_logger().warning("nobody answers %s of %s: asked again", entry.key, entry.at)
        if not (entry.what in ("approved", "rejected") and pass_on(entry)):
            ask(entry)
    return late
