"""Report flow of failed automations: otherwise nothing shows that their runs never started."""

from __future__ import annotations

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Failed

from tasks.orchestration.run_logs import RunName
from tasks.reporting.markdown import escape_markdown


@flow(name="report_failed_automation", flow_run_name=RunName("{automation}"))
def report_failed_automation(automation: str, reason: str) -> State[None]:
    """Fail with the automation's name and the reason, and publish both as an artifact.

    No request is lost: the next reconcile run resends what is unprocessed in the ledger.
    """
    message = f"The automation “{automation}” failed: {reason}"
    create_markdown_artifact(
        key="failed-automation", markdown=escape_markdown(message), description="failed automations"
    )
    return Failed(message=message)
