"""Retrain flow: train one candidate for an alert, however often it is requested.

claim of the alert ► the train flow's sequence ► candidate in the ledger ► request for a decision
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.frame import AlertKey, FlowRunName, Name, StepAsOf, tag_runs
from flows.train import make_candidate
from tasks.model_cards.prefect_tasks import publish_candidate
from tasks.training.prefect_tasks import claim_retrain, record_candidate, request_decision


@tag_runs
@flow(name="retrain", flow_run_name=FlowRunName("retrain {use_case} {moment}"))
def retrain(use_case: Name, alert: AlertKey, as_of: StepAsOf = None) -> State[None]:
    """Train a candidate for an alert as of `as_of`, by default the time of the alert.

    Nothing is trained if the alert already has a candidate, or another run is training one.

    Args:
        use_case: The use case of the alert.
        alert: The alert's key in the ledger.
        as_of: The moment at which the training happens.
    """
    case = load_use_case(use_case)
    claim = claim_retrain(case, alert)
    at = claim.alert.at if as_of is None else utc_or_now(as_of)
    if claim.verdict == "train":
        version = make_candidate(use_case, at, origin=alert)
        return Completed(message=f"version {version} trained for {alert}")
    if claim.verdict == "covered" and claim.version is not None:
        entry = record_candidate(case, claim.version, alert, at)
        publish_candidate(case, entry)
        request_decision(entry)
    return Completed(message=f"nothing to train: {claim.reason}")
