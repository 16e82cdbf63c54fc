"""watch: has everybody been heard of in time?

newest row, label, prediction and monitored window ► silences opened and closed ► people are told
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import moment
from configs.use_case import load_use_case
from tasks.ledger import ledger
from tasks.notify import notify
from tasks.silence import watch_signs


@flow(name="watch", flow_run_name="watch-{use_case}")
def watch(use_case: str, as_of: datetime | None = None) -> State[None]:
    """Compare what was last heard of each with its deadline; running it again changes nothing."""
    case = load_use_case(use_case)
    silent = watch_signs(ledger(), case, moment(as_of))
    notify(case)
    said = "; ".join(entry.evidence["message"] for entry in silent) or "nobody is silent"
    return Completed(message=said)
