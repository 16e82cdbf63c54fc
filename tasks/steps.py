"""Which candidates can go on by now: the monitor has the time, so it asks for their next step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prefect import get_run_logger, task

from configs.clock import moment
from configs.errors import NoRows
from configs.faults import effect
from configs.use_case import UseCase
from tasks import features
from tasks.candidacy import Candidacy, candidacy
from tasks.events import ask
from tasks.ledger import Entry, Ledger, ledger, unanswered, undecided_candidates
from tasks.promotion import Decision
from tasks.retries import STEADY
from tasks.review import review
from tasks.takeover import Gate, Look, Step, next_step


def due_steps(
    use_case: UseCase, entries: Sequence[Entry], as_of: datetime, gate: Gate, look: Look
) -> list[Entry]:
    """The asks for what would not be deferred again at `as_of`, one a version and day.

    `gate` need only say whether there is enough to judge by. Nothing is asked twice: what is
    unanswered, or was deferred on this day, is left alone.
    """
    past = [e for e in entries if e.at <= as_of]
    busy = {e.version for e in unanswered(past) if e.what != "alert_raised"}
    known = {e.key for e in entries}
    versions = dict.fromkeys(e.version for e in undecided_candidates(past))
    found = []
    for version in versions:
        today = f"{version}:{as_of:%Y-%m-%d}"
        if version is None or version in busy or f"deferred:{today}" in known:
            continue
        step = next_step(candidacy(use_case, past, version, as_of), gate, look)
        if isinstance(step, Step) and step.what != "deferred":
            said = {"reason": step.evidence["reason"]}
            key = f"step:{today}"
            found.append(Entry(use_case.name, "step_asked", key, as_of, "monitor", version, said))
    return found


def enough(it: Candidacy) -> Decision:
    """Whether there are as many fresh labels as the gate asks for: counted without features."""
    count, asked = _fresh_labels(it), it.use_case.gate.min_rows
    return Decision("pass" if count >= asked else "wait", f"{count} fresh labelled rows", {})


def _fresh_labels(it: Candidacy) -> int:
    """Labels known by now of what is predicted after both models' training."""
    versions = {it.version, None if it.champion is None else it.champion.version}
    registered = [
        e for e in it.entries if e.what == "candidate_registered" and e.version in versions
    ]
    seen = [moment(datetime.fromisoformat(e.evidence["trained_until"])) for e in registered]
    if max(seen) >= it.at:
        return 0
    try:
        return features.labels(it.use_case, max(seen), it.at, it.at).height
    except NoRows:
        return 0


def record_steps(book: Ledger, use_case: UseCase, as_of: datetime) -> list[Entry]:
    """Record what `due_steps` finds by the lake; the entries."""
    due = due_steps(use_case, book.entries(use_case.name), as_of, enough, review)
    for entry in due:
        with effect("ask for a step"):
            book.record(entry)
    return due


@task(task_run_name="ask for what can go on", **STEADY)
def ask_for_steps(use_case: UseCase, as_of: datetime) -> list[Entry]:
    """As `record_steps`, and send every step that nobody has taken; those."""
    book = ledger()
    for entry in record_steps(book, use_case, as_of):
        get_run_logger().info("version %s can go on: %s", entry.version, entry.evidence["reason"])
    waiting = [e for e in unanswered(book.entries(use_case.name)) if e.what == "step_asked"]
    for entry in waiting:
        ask(entry)
    return waiting
