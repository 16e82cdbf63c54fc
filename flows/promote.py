"""promote: a candidate is promoted or refused, on what fresh rows say of it and the champion.

both models on the same fresh rows ► decision into the ledger ► alias follows ► told of
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import moment
from configs.use_case import load_use_case
from tasks.takeover import decide_candidate, follow_ledger, tell_decision


@flow(name="promote", flow_run_name="promote-{use_case}-{version}")
def promote(use_case: str, version: int, as_of: datetime | None = None) -> State[None]:
    """Decide on a candidate as of `as_of`, by default when it was registered; once a version."""
    case = load_use_case(use_case)
    entry = decide_candidate(case, version, None if as_of is None else moment(as_of))
    follow_ledger(case)
    tell_decision(case, entry)
    return Completed(message=f"version {version} {entry.what}: {entry.evidence['reason']}")
