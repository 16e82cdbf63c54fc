"""Tell of an automation that could not act: without it, its run is just not there."""

from __future__ import annotations

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Failed


@flow(name="report_failed_automation", flow_run_name="{automation}")
def report_failed_automation(automation: str, reason: str) -> State[None]:
    """End as a failed run that names the automation and the reason, and keep both as an artifact.

    What the automation was to start is not lost: the ledger knows what is unanswered, and the
    next reconcile asks again.
    """
    message = f"The automation “{automation}” could not act: {reason}"
    create_markdown_artifact(
        key="failed-automation", markdown=message, description="failed automations"
    )
    return Failed(message=message)
