"""Automations that belong to no deployment; the others are triggers in prefect.yaml.

A run whose process and worker died together stays Running for ever, unless an automation watches
its heartbeats (https://docs.prefect.io/v3/advanced/detect-zombie-flows). They come every 30 s;
after 90 s without one the run is marked as crashed, which frees its place in the queue.

The watch flow reports overdue data, but it needs a running worker and a readable lake. So the
server watches the watch: if an event of a watch run arrives (also that it is late) and none
completes within three intervals, the server sends a page, and repeats it. Without a notification
block for pages, the event appears only in Prefect's UI.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID

from configs.clock import write_duration
from configs.schema.loading import all_use_cases
from configs.schema.use_case import UseCase
from infra.deployments import GLOBAL_PREFIX, deployment_name

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import AutomationCore, EventTrigger

CRASHED_RUNS = f"{GLOBAL_PREFIX} mark runs without heartbeat as crashed"
HEARTBEAT_TIMEOUT = timedelta(seconds=90)
WATCH_INTERVALS = 3  # without a completed watch; one run may fail, and one be late
MIN_WATCH_TIMEOUT = timedelta(minutes=10)
_A_FRIDAY = datetime(2024, 1, 5, tzinfo=UTC)  # a schedule of working days has its gap soon after


def install_automations(*, schedules: bool) -> list[str]:
    """Create or update the automations at the server of this process.

    Return the notification blocks for pages that are configured but missing. Without `schedules`
    no watch runs, so its automations are removed. Those of an invalid use case stay as they are:
    its watch fails, and the automation reports that.
    """
    from prefect.client.orchestration import get_client

    missing = []
    with get_client(sync_client=True) as client:
        _apply(client, CRASHED_RUNS, _build_crashed_runs())
        for use_case in all_use_cases().sound:
            if not (schedules and use_case.deadlines.spans):
                _apply(client, watch_automation_name(use_case), None)
                continue
            ids = {block: _find_block(client, block) for block in _page_blocks(use_case)}
            missing += [block for block, block_id in ids.items() if block_id is None]
            blocks = [block_id for block_id in ids.values() if block_id is not None]
            interval = longest_interval(use_case.schedules.watch)
            within = max(WATCH_INTERVALS * interval, MIN_WATCH_TIMEOUT)
            automation = build_watch_automation(use_case, blocks, within)
            _apply(client, watch_automation_name(use_case), automation)
    return missing


def watch_automation_name(use_case: UseCase) -> str:
    """Return the name of the automation that watches a use case's watch flow."""
    return f"{use_case.name}: watch is overdue"


def build_watch_automation(
    use_case: UseCase, blocks: Sequence[UUID], within: timedelta
) -> AutomationCore:
    """Build the automation that pages `blocks` if no watch of a use case completes in time."""
    from prefect.events.actions import DoNothing, SendNotification
    from prefect.events.schemas.automations import AutomationCore

    name = use_case.name
    body = (
        f"{name}: {use_case.title}\n"
        f"No watch run of {name} has completed for {write_duration(within)}, so missing data, "
        "labels or predictions would not be reported.\n"
        "Check the worker first, then the last watch runs in Prefect's UI."
    )
    subject = f"[page] {watch_automation_name(use_case)}"
    send = [SendNotification(block_document_id=b, subject=subject, body=body) for b in blocks]
    trigger = _build_silence_trigger(
        "prefect.flow-run.*",
        expect={"prefect.flow-run.Completed"},
        within=within,
        related=[
            {"role": "flow", "name": "watch"},
            {"role": "deployment", "name": deployment_name(name, "watch")},
        ],
    )
    return AutomationCore(
        name=watch_automation_name(use_case),
        description=f"When no watch of {name} completes for {write_duration(within)}, notify the "
        "blocks for pages.",
        trigger=trigger,
        actions=[*send] or [DoNothing()],
    )


def longest_interval(cron: str) -> timedelta:
    """Return the longest time between two of the next thousand runs of a schedule."""
    from prefect.server.schemas.schedules import CronSchedule

    runs = asyncio.run(CronSchedule(cron=cron, timezone="UTC").get_dates(1000, _A_FRIDAY))
    return max(later - earlier for earlier, later in pairwise(runs))


def _build_crashed_runs() -> AutomationCore:
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import AutomationCore

    ends = ("Completed", "Failed", "Cancelled", "Crashed", "Suspended")
    heartbeat = "prefect.flow-run.heartbeat"
    message = f"no heartbeat for {HEARTBEAT_TIMEOUT.seconds} s: process and worker have ended"
    return AutomationCore(
        name=CRASHED_RUNS,
        description="When the heartbeats of a run stop, mark it as crashed: its process and worker "
        "have ended, and the next run of its deployment can start.",
        trigger=_build_silence_trigger(
            heartbeat,
            expect={heartbeat, *(f"prefect.flow-run.{end}" for end in ends)},
            within=HEARTBEAT_TIMEOUT,
            for_each={"prefect.resource.id"},
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=message)],
    )


def _build_silence_trigger(
    after: str,
    *,
    expect: set[str],
    within: timedelta,
    for_each: set[str] | None = None,
    related: Sequence[dict[str, str]] = (),
) -> EventTrigger:
    """Build a trigger that fires if no expected event follows another one of a flow run in time.

    Args:
        after: the event that starts the wait.
        expect: the events of which one ends it.
        within: how long to wait.
        for_each: labels by which events are counted apart.
        related: resources that the events must be related to, by name and role.
    """
    from prefect.events.schemas.automations import EventTrigger, Posture
    from prefect.events.schemas.events import ResourceSpecification

    labels = [{f"prefect.resource.{k}": v for k, v in one.items()} for one in related]
    return EventTrigger(
        after={after},
        expect=expect,
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        match_related=[ResourceSpecification(one) for one in labels],
        for_each=for_each or set(),
        posture=Posture.Proactive,
        threshold=1,
        within=within,
    )


def _page_blocks(use_case: UseCase) -> list[str]:
    return [each.block for each in use_case.notify if "page" in each.severities]


def _find_block(client: SyncPrefectClient, block: str) -> UUID | None:
    """Return the id of a notification block, given as type/name; None if it does not exist."""
    from prefect.exceptions import ObjectNotFound

    kind, _, name = block.partition("/")
    try:
        return client.read_block_document_by_name(name, kind).id
    except ObjectNotFound:
        return None


def _apply(client: SyncPrefectClient, name: str, automation: AutomationCore | None) -> None:
    """Create or update the automation of a name; delete it if `automation` is None."""
    existing = client.read_automations_by_name(name)
    if automation is None:
        for each in existing:
            client.delete_automation(each.id)
    elif existing:
        client.update_automation(existing[0].id, automation)
    else:
        client.create_automation(automation)
