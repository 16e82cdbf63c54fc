"""promote: a candidate goes one step further, from what the ledger says of it.

gate, or what its roll-out has shown ► a person, if asked ► step into the ledger ► alias ► told of
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import moment
from configs.use_case import load_use_case
from tasks.alias import follow_ledger
from tasks.approval import ask_person, keep_answer
from tasks.notify import notify
from tasks.takeover import carry_candidate
from tasks.telling import tell_step


@flow(name="promote", flow_run_name="promote-{use_case}-{version}")
def promote(use_case: str, version: int, as_of: datetime | None = None) -> State[None]:
    """Take a version one step further as of `as_of`, by default when it was last asked about.

    Where a person must approve, the run suspends itself and starts again with the answer.
    """
    case, at = load_use_case(use_case), None if as_of is None else moment(as_of)
    entry = carry_candidate(case, version, at)
    if entry.what == "approval_asked":
        tell_step(case, entry)
        notify(case)
        if (answer := ask_person(entry)) is not None:
            keep_answer(case, version, answer, moment())
            entry = carry_candidate(case, version, at)
    if entry.what == "promoted":
        follow_ledger(case)
    tell_step(case, entry)
    notify(case)
    return Completed(message=f"version {version}, {entry.what}: {entry.evidence['reason']}")
