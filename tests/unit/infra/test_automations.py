"""The automation that listens for the watch: how long, for whose runs, and whom it pages."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from configs.schema.loading import load_use_case
from infra.automations import build_watch_automation, longest_interval, watch_automation_name
from infra.deployments import GLOBAL_PREFIX

FLIGHTS = load_use_case("flights")
WITHIN = timedelta(minutes=45)


@pytest.mark.parametrize(
    ("cron", "longest"),
    [
        ("*/15 * * * *", timedelta(minutes=15)),
        ("0 */6 * * *", timedelta(hours=6)),
        ("*/15 8-17 * * 1-5", timedelta(days=2, hours=14, minutes=15)),
        ("0 5 1 * *", timedelta(days=31)),
    ],
)
def test_the_longest_interval_of_a_schedule(cron: str, longest: timedelta) -> None:
    assert longest_interval(cron) == longest


def test_watcher_listens_for_its_use_case_and_pages_all_blocks() -> None:
    blocks = [uuid4(), uuid4()]
    automation = build_watch_automation(FLIGHTS, blocks, WITHIN)
    trigger: Any = automation.trigger
    related = [one.model_dump() for one in trigger.match_related]
    assert related == [
        {"prefect.resource.role": "flow", "prefect.resource.name": "watch"},
        {"prefect.resource.role": "deployment", "prefect.resource.name": "flights-watch"},
    ]
    assert trigger.expect == {"prefect.flow-run.Completed"}
    assert trigger.within == WITHIN
    actions: list[Any] = automation.actions
    assert [action.block_document_id for action in actions] == blocks
    assert "for 45m" in actions[0].body


def test_watcher_without_a_block_still_fires() -> None:
    automation = build_watch_automation(FLIGHTS, [], WITHIN)
    assert [action.type for action in automation.actions] == ["do-nothing"]


def test_its_own_failure_is_told_of() -> None:
    assert not watch_automation_name(FLIGHTS).startswith(GLOBAL_PREFIX)
