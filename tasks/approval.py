"""A person's word on what the gate let in: asked in Prefect's UI, or given by the command.

The promote run suspends itself: its process ends, and the UI shows a form. Resumed with the form
filled in, the run starts again from the beginning and finds its answer. Either way who and why go
to the ledger, whose first answer counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from prefect import get_run_logger, runtime, suspend_flow_run, task
from prefect.input import RunInput
from pydantic import Field

from configs.errors import Terminal
from configs.faults import effect
from configs.use_case import UseCase
from tasks.ledger import Entry, Ledger, ledger
from tasks.retries import STEADY
from tasks.runs import resume, suspended

WAITS = timedelta(days=7)  # the form; the command answers after it, too


class Answer(RunInput):
    """The form: yes or no, who says so, and why."""

    approve: bool = Field(description="let it in?")
    by: str = Field(min_length=1, description="who decides")
    why: str = Field(min_length=1, description="the reason, kept in the ledger")


def waiting(entries: Sequence[Entry], version: int) -> Entry:
    """What was asked about a version; Terminal if nothing was."""
    for entry in entries:
        if entry.key == f"approval_asked:{version}":
            return entry
    raise Terminal(f"nobody asks for an approval of version {version}: see mainspring history")


def record_answer(
    book: Ledger, model: str, version: int, answer: Answer, now: datetime
) -> tuple[Entry, bool]:
    """Record what a person said; the answer that stands, and whether it is this one.

    `now` is real time. In the flows' time the answer came as long after the ask as it really did:
    now, where flows run by the clock, and in a replayed past the moment it would have been.
    Terminal if nothing was asked.
    """
    asked = waiting(book.entries(model), version)
    assert asked.recorded is not None
    entry = Entry(
        model=model,
        what="approved" if answer.approve else "rejected",
        key=f"approval:{version}",
        at=asked.at + max(now - asked.recorded, timedelta(0)),
        actor=answer.by,
        version=version,
        evidence={"reason": answer.why},
    )
    with effect("record the answer"):
        return book.record(entry)


def pass_on(entry: Entry) -> bool:
    """Resume the run that waits for an answer that is in the ledger; whether one could be."""
    run = suspended("promote", entry.model, entry.version)
    yes, why = entry.what == "approved", entry.evidence["reason"]
    form = Answer(approve=yes, by=entry.actor, why=why)
    if run is None:
        return False
    with effect("resume the run"):
        return resume(run.id, form.model_dump())


def ask_person(entry: Entry) -> Answer | None:
    """Suspend this flow run until the form is filled in; what it says, once it runs again.

    None where Prefect cannot run it again, since it is of no deployment (the command answers), and
    where another run shows the form already.
    """
    if runtime.deployment.id is None or suspended("promote", entry.model, entry.version):
        get_run_logger().warning(
            'version %s waits for a person: mainspring approve %s %s --reason "…"',
            *(entry.version, entry.model, entry.version),
        )
        return None
    form = Answer.with_initial_data(description=entry.evidence["reason"])
    seconds, key = int(WAITS.total_seconds()), f"approval-{entry.version}"  # takes no underscore
    return suspend_flow_run(wait_for_input=form, timeout=seconds, key=key)


@task(task_run_name="record the answer on version {version}", **STEADY)
def keep_answer(use_case: UseCase, version: int, answer: Answer, now: datetime) -> Entry:
    """As `record_answer`, seen by Prefect."""
    entry, mine = record_answer(ledger(), use_case.name, version, answer, now)
    said = "" if mine else ", before this form was filled in"
    get_run_logger().info("version %s was %s by %s%s", version, entry.what, entry.actor, said)
    return entry
