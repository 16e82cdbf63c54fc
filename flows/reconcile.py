"""reconcile: what the loop waits for is asked for again, and MLflow's alias is put right.

ledger ► whatever asks for something and no run is at ► its event, again
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import moment
from configs.use_case import load_use_case
from tasks.alias import follow_ledger
from tasks.answers import ask_again
from tasks.notify import notify


@flow(name="reconcile", flow_run_name="reconcile-{use_case}")
def reconcile(use_case: str, as_of: datetime | None = None) -> State[None]:
    """Bring a use case's loop back on its way; does nothing when it is.

    `as_of` is the moment at which runs are looked at: real time, since runs happen in it.
    """
    case = load_use_case(use_case)
    asked = ask_again(case, moment(as_of))
    champion = follow_ledger(case)
    notify(case)
    said = ", ".join(entry.key for entry in asked) or "nothing"
    return Completed(message=f"asked again for {said}; champion is version {champion}")
