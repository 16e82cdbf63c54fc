"""Verify flow: compare the stored state with what was recorded when it was written.

lake, landed files, model versions and databases ► damaged files ► feature tables made again
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from tasks.lifecycle.prefect_tasks import verify_state
from tasks.orchestration.run_logs import RunName


@flow(name="verify", flow_run_name=RunName("verify-{use_case}"))
def verify(use_case: str, as_of: datetime | None = None) -> State[None]:
    """Verify all of the state; Damaged, after everything was read, if something cannot be repaired.

    The flow is idempotent.
    """
    repaired = verify_state(load_use_case(use_case), utc_or_now(as_of))
    return Completed(message="; ".join(repaired) or "nothing is damaged")
