"""Automations that belong to no deployment; the others are triggers in prefect.yaml.

A run whose process and worker died together stays Running forever, unless somebody listens for
its heartbeats (https://docs.prefect.io/v3/advanced/detect-zombie-flows): 30 s apart, so after
90 s without one the run is marked as crashed, and its place in the queue is free again.
"""

from __future__ import annotations

from datetime import timedelta

from infra.deployments import EVERYWHERE

ZOMBIES = f"{EVERYWHERE} a run without heartbeat has crashed"
SILENCE = timedelta(seconds=90)


def install() -> None:
    """Create the automation at the server that this process talks to, or bring it up to date."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
    from prefect.events.schemas.events import ResourceSpecification

    ends = ("Completed", "Failed", "Cancelled", "Crashed", "Suspended")
    heartbeat = "prefect.flow-run.heartbeat"
    wanted = AutomationCore(
        name=ZOMBIES,
        trigger=EventTrigger(
            after={heartbeat},
            expect={heartbeat, *(f"prefect.flow-run.{end}" for end in ends)},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"no heartbeat for {SILENCE.seconds} s: process and worker are gone",
            )
        ],
    )
    with get_client(sync_client=True) as client:
        there = client.read_automations_by_name(ZOMBIES)
        if there:
            client.update_automation(there[0].id, wanted)
        else:
            client.create_automation(wanted)
