"""Approval of a candidate by a person, in Prefect's UI or by the command.

The promote run suspends itself: its process ends, and the UI shows a form. Resumed with the form
filled in, the run starts again from the beginning and finds the approval. In both cases person and
reason are recorded in the ledger, and the first approval or rejection counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel, Field

from configs.errors import Terminal
from infra.fault_injection import effect
from tasks.ledger.descriptions import read_reason
from tasks.ledger.entries import make_approval_given
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.projections import find_approval_request
from tasks.orchestration.flow_runs import find_suspended_run, resume_run


class ApprovalAnswer(BaseModel):
    """The form of a person: approve or reject, name and reason."""

    approve: bool = Field(description="approve the version?")
    by: str = Field(min_length=1, description="who decides")
    why: str = Field(min_length=1, description="the reason, kept in the ledger")


def require_approval_request(entries: Sequence[Entry], version: int) -> Entry:
    """Return the request to approve a version; Terminal if there is none."""
    request = find_approval_request(entries, version)
    if request is None:
        raise Terminal(f"version {version} is not waiting for approval: see mainspring history")
    return request


def record_approval(
    book: Ledger, model: str, version: int, answer: ApprovalAnswer, now: datetime
) -> tuple[Entry, bool]:
    """Record a person's approval or rejection; return the one that counts, and whether it is new.

    The entry's time is that of the request plus the real time that passed since: the time of the
    clock for live flows, and the moment it would have been in a replayed past. Terminal if no
    approval was requested.

    Args:
        book: the ledger
        model: name of the use case
        version: the candidate
        answer: the form that the person filled in
        now: real time
    """
    request = require_approval_request(book.entries(model), version)
    assert request.recorded is not None
    at = request.at + max(now - request.recorded, timedelta(0))
    entry = make_approval_given(request, at, answer.by, answer.why, approve=answer.approve)
    with effect("record the answer"):
        return book.record(entry)


def resume_approval_run(entry: Entry) -> bool:
    """Resume the run that waits for an approval of the ledger; return whether there was one."""
    run = find_suspended_run("promote", entry.model, entry.version)
    form = ApprovalAnswer(approve=entry.what == "approved", by=entry.actor, why=read_reason(entry))
    if run is None:
        return False
    with effect("resume the run"):
        return resume_run(run.id, form.model_dump())
