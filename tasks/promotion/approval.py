"""A person's word on what the gate let in: asked in Prefect's UI, or given by the command.

The promote run suspends itself: its process ends, and the UI shows a form. Resumed with the form
filled in, the run starts again from the beginning and finds its answer. Either way who and why go
to the ledger, whose first answer counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel, Field

from configs.errors import Terminal
from infra.fault_injection import effect
from tasks.ledger.log import Entry, Ledger
from tasks.orchestration.flow_runs import find_suspended_run, resume_run


class ApprovalAnswer(BaseModel):
    """A person's answer: yes or no, who says so, and why."""

    approve: bool = Field(description="let it in?")
    by: str = Field(min_length=1, description="who decides")
    why: str = Field(min_length=1, description="the reason, kept in the ledger")


def find_approval_request(entries: Sequence[Entry], version: int) -> Entry:
    """What was asked about a version; Terminal if nothing was."""
    for entry in entries:
        if entry.key == f"approval_asked:{version}":
            return entry
    raise Terminal(f"nobody asks for an approval of version {version}: see mainspring history")


def record_approval(
    book: Ledger, model: str, version: int, answer: ApprovalAnswer, now: datetime
) -> tuple[Entry, bool]:
    """Record what a person said; the answer that stands, and whether it is this one.

    `now` is real time. In the flows' time the answer came as long after the ask as it really did:
    now, where flows run by the clock, and in a replayed past the moment it would have been.
    Terminal if nothing was asked.
    """
    asked = find_approval_request(book.entries(model), version)
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


def resume_approval_run(entry: Entry) -> bool:
    """Resume the run that waits for an answer that is in the ledger; whether one could be."""
    run = find_suspended_run("promote", entry.model, entry.version)
    yes, why = entry.what == "approved", entry.evidence["reason"]
    form = ApprovalAnswer(approve=yes, by=entry.actor, why=why)
    if run is None:
        return False
    with effect("resume the run"):
        return resume_run(run.id, form.model_dump())
