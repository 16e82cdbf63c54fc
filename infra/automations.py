"""Automations that belong to no deployment; the others are triggers in prefect.yaml.

A run whose process and worker died together stays Running forever, unless somebody listens for
its heartbeats (https://docs.prefect.io/v3/advanced/detect-zombie-flows): 30 s apart, so after
90 s without one the run is marked as crashed, and its place in the queue is free again.

The watch flow finds out who is silent, but it needs a worker that lives and a lake that answers. So
the server itself listens for it: when something is heard of a watch run (that it is late, too), and
none completes within three of its intervals, the server sends the page, and again as long as that
lasts. Without a block to page, its event in the UI is all that is seen.
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
from infra.deployments import EVERYWHERE

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import AutomationCore, EventTrigger

ZOMBIES = f"{EVERYWHERE} a run without heartbeat has crashed"
SILENCE = timedelta(seconds=90)
MISSED = 3  # intervals of the watch; one run may fail, and one be late
LEAST = timedelta(minutes=10)
_A_FRIDAY = datetime(2024, 1, 5, tzinfo=UTC)  # a schedule of working days has its gap soon after


def install(*, schedules: bool) -> list[str]:
    """Create the automations at the server that this process talks to, or bring them up to date;
    the blocks that a use case wants paged and that the server does not have.

    Without `schedules` no watch is due, and nobody waits for one. Those of a use case that does not
    hold now stay as they are: its watch fails, and what listens for it tells so.
    """
    from prefect.client.orchestration import get_client

    missing = []
    with get_client(sync_client=True) as client:
        _put(client, ZOMBIES, _zombies())
        for use_case in all_use_cases().sound:
            if not (schedules and use_case.deadlines.spans):
                _put(client, watcher_name(use_case), None)
                continue
            ids = {block: _block_id(client, block) for block in _paged(use_case)}
            missing += [block for block, known in ids.items() if known is None]
            blocks = [known for known in ids.values() if known is not None]
            within = max(MISSED * longest_interval(use_case.schedules.watch), LEAST)
            _put(client, watcher_name(use_case), watcher(use_case, blocks, within))
    return missing


def watcher_name(use_case: UseCase) -> str:
    """What the automation is called that listens for a use case's watch."""
    return f"{use_case.name}: nobody watches"


def watcher(use_case: UseCase, blocks: Sequence[UUID], within: timedelta) -> AutomationCore:
    """The automation that pages `blocks` when no watch of a use case completes `within`."""
    from prefect.events.actions import DoNothing, SendNotification
    from prefect.events.schemas.automations import AutomationCore

    name = use_case.name
    body = (
        f"{name}: {use_case.title}\n"
        f"No run of watch/{name} has completed for {write_duration(within)}, so nobody would tell "
        "of missing data, labels or predictions.\n"
        "Look at the worker first, then at the last watch runs in Prefect's UI."
    )
    subject = f"[page] {watcher_name(use_case)}"
    send = [SendNotification(block_document_id=b, subject=subject, body=body) for b in blocks]
    trigger = _silence_of(
        "prefect.flow-run.*",
        expect={"prefect.flow-run.Completed"},
        within=within,
        related=[{"role": "flow", "name": "watch"}, {"role": "deployment", "name": name}],
    )
    return AutomationCore(
        name=watcher_name(use_case), trigger=trigger, actions=[*send] or [DoNothing()]
    )


def longest_interval(cron: str) -> timedelta:
    """The longest time between two runs of a schedule, of its next thousand."""
    from prefect.server.schemas.schedules import CronSchedule

    runs = asyncio.run(CronSchedule(cron=cron, timezone="UTC").get_dates(1000, _A_FRIDAY))
    return max(later - earlier for earlier, later in pairwise(runs))


def _zombies() -> AutomationCore:
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import AutomationCore

    ends = ("Completed", "Failed", "Cancelled", "Crashed", "Suspended")
    heartbeat = "prefect.flow-run.heartbeat"
    gone = f"no heartbeat for {SILENCE.seconds} s: process and worker are gone"
    return AutomationCore(
        name=ZOMBIES,
        trigger=_silence_of(
            heartbeat,
            expect={heartbeat, *(f"prefect.flow-run.{end}" for end in ends)},
            within=SILENCE,
            for_each={"prefect.resource.id"},
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=gone)],
    )


def _silence_of(
    after: str,
    *,
    expect: set[str],
    within: timedelta,
    for_each: set[str] | None = None,
    related: Sequence[dict[str, str]] = (),
) -> EventTrigger:
    """Fires when an event `after` of a flow run is followed by none of `expect` within a time."""
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


def _paged(use_case: UseCase) -> list[str]:
    return [each.block for each in use_case.notify if "page" in each.severities]


def _block_id(client: SyncPrefectClient, block: str) -> UUID | None:
    """The id of a notification block by its type and name; None if the server has none."""
    from prefect.exceptions import ObjectNotFound

    kind, _, name = block.partition("/")
    try:
        return client.read_block_document_by_name(name, kind).id
    except ObjectNotFound:
        return None


def _put(client: SyncPrefectClient, name: str, wanted: AutomationCore | None) -> None:
    """Make an automation what is wanted; None: there is to be none."""
    there = client.read_automations_by_name(name)
    if wanted is None:
        for one in there:
            client.delete_automation(one.id)
    elif there:
        client.update_automation(there[0].id, wanted)
    else:
        client.create_automation(wanted)
