"""retrain: an alert gets its answer, one candidate, however often and by whomever it is asked.

claim the alert ► train as the train flow does ► candidate recorded and told of
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.train import make_candidate
from tasks.training.prefect_tasks import claim_retrain, record_candidate, request_decision


@flow(name="retrain", flow_run_name="retrain-{use_case}")
def retrain(use_case: str, alert: str, as_of: datetime | None = None) -> State[None]:
    """Answer an alert (its key in the ledger) as of `as_of`, by default when it was raised.

    An alert that was answered, or that somebody else is at, is left alone.
    """
    case = load_use_case(use_case)
    claim = claim_retrain(case, alert)
    at = utc_or_now(as_of or claim.alert.at)
    if claim.verdict == "train":
        version = make_candidate(use_case, at, origin=alert)
        return Completed(message=f"version {version} answers {alert}")
    if claim.verdict == "covered" and claim.version is not None:
        request_decision(record_candidate(case, claim.version, alert, at))
    return Completed(message=f"nothing to train: {claim.reason}")
