"""Silences and messages on a real server: to a webhook, and by the server itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from configs.settings import ROOT, settings
from tasks.features import retrieval
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import list_open_episodes
from tasks.monitoring.measurements import Measurement, build_measurement_rows, save_measurements
from tasks.storage.lake import open_lake
from tests.support import lake_rows
from tests.support.prefect_server import until
from tests.support.stack import run_stack
from tests.support.state import state

pytestmark = pytest.mark.server
NAME, BLOCK = "flights", "custom-webhook/ops"
START, END = datetime(2013, 1, 7, tzinfo=UTC), datetime(2013, 1, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)
DEADLINES = {"landed": "6h", "scored": "12h", "labelled": "30h", "monitored": "8d"}


class Webhook:
    """A webhook on the loopback: keeps what it is sent, and answers 500 while it is `broken`."""

    def __init__(self) -> None:
        self.got: list[dict[str, str]] = []
        self.broken = False
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/"

    def subjects(self) -> list[str]:
        return [message["subject"] for message in self.got]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                if not webhook.broken:
                    webhook.got.append(json.loads(content))
                self.send_response(500 if webhook.broken else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    there = Webhook()
    yield there
    there.server.shutdown()


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory, webhook: Webhook) -> Iterator[UseCase]:
    """Server and worker with a watch deployment and a block, and a lake in which all has come."""
    home = tmp_path_factory.mktemp("server")
    variables = {
        "MAINSPRING_USE_CASES": str(_use_case(home / "configs")),
        "MAINSPRING_WARM_START": "false",  # three runs are not worth it
        "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1S",
    }
    with state(home / "state", variables), run_stack(deployed=False):
        _deploy_watch()
        _make_block(webhook)
        case = load_use_case(NAME)
        _fill(case)
        yield case


def test_while_all_comes_nobody_is_told_anything(case: UseCase, webhook: Webhook) -> None:
    assert _watch(END) == "nothing is overdue"
    assert webhook.got == []


def test_each_of_the_four_that_falls_silent_pages_once(case: UseCase, webhook: Webhook) -> None:
    for what, silent in (("landed", 7), ("scored", 14), ("labelled", 31), ("monitored", 49)):
        _watch(END + silent * HOUR)
        assert webhook.subjects()[-1] == f"[page] flights: episode opened v1: silence:{what}"
    assert len(webhook.got) == 4
    assert "no new row has landed since 2013-01-13 23:" in webhook.got[0]["body"]
    assert "mainspring history flights" in webhook.got[0]["body"]
    _watch(END + 50 * HOUR)
    assert len(webhook.got) == 4


def test_notifications_missed_by_a_broken_webhook_come_later(
    case: UseCase, webhook: Webhook
) -> None:
    webhook.broken, before = True, len(webhook.got)
    _monitor(case, END + 60 * HOUR)
    assert "monitored" not in _watch(END + 60 * HOUR)
    assert len(list_open_episodes(open_ledger().entries(NAME))) == 3
    assert len(webhook.got) == before
    webhook.broken = False
    _watch(END + 61 * HOUR)
    expected = "[page] flights: episode closed v1: silence:monitored"
    assert webhook.subjects()[before:] == [expected]


def test_a_block_that_is_not_there_stops_no_flow(
    case: UseCase, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = _use_case(tmp_path / "configs", block="slack-webhook/nobody")
    monkeypatch.setenv("MAINSPRING_USE_CASES", str(elsewhere))
    settings.cache_clear()
    _watch(END + 61 * HOUR)
    told = {e.evidence["block"] for e in open_ledger().entries(NAME) if e.what == "notified"}
    assert told == {BLOCK}
    monkeypatch.undo()
    settings.cache_clear()


def test_the_server_itself_pages_when_no_watch_completes(case: UseCase, webhook: Webhook) -> None:
    from prefect.client.orchestration import get_client

    from infra import automations

    assert automations.install_automations(schedules=True) == []
    within, name = timedelta(seconds=45), automations.watch_automation_name(case)
    with get_client(sync_client=True) as client:
        (there,) = client.read_automations_by_name(name)
        assert there.trigger.within == timedelta(minutes=45)
        block = client.read_block_document_by_name("ops", "custom-webhook").id
        client.update_automation(
            there.id, automations.build_watch_automation(case, [block], within)
        )
    for _ in range(2):
        completed = _watch_through_its_deployment(END + 61 * HOUR)
    subject = f"[page] {name}"
    fired = until(lambda: time.time() if subject in webhook.subjects() else None, subject, 90)
    assert fired - completed >= within.total_seconds() - 1
    assert webhook.subjects().count(subject) == 1
    assert "Check the worker first" in webhook.got[-1]["body"]
    automations.install_automations(schedules=False)
    with get_client(sync_client=True) as client:
        assert client.read_automations_by_name(name) == []


def _use_case(folder: Path, block: str = BLOCK) -> Path:
    content: dict[str, Any] = yaml.safe_load((ROOT / "configs" / f"{NAME}.yaml").read_text())
    content["deadlines"] = DEADLINES
    content["notify"] = [{"block": block}]
    folder.mkdir()
    (folder / f"{NAME}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


def _deploy_watch() -> None:
    from prefect.flows import Flow

    flow = Flow.from_source(str(ROOT), "flows/watch.py:watch")
    flow.deploy(  # type: ignore[union-attr]
        f"{NAME}-watch",
        work_pool_name="mainspring",
        parameters={"use_case": NAME},
        print_next_steps=False,
    )


def _make_block(webhook: Webhook) -> None:
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    sent = {"subject": "{{subject}}", "body": "{{body}}"}
    CustomWebhookNotificationBlock(name="ops", url=webhook.url, json_data=sent).save("ops")


def _fill(case: UseCase) -> None:
    lake_rows.land_rows(case, START - timedelta(days=20), END)
    rows = retrieval.build_spine(case, START, END, END).select(*case.spine.key, case.spine.time)
    open_lake(NAME).replace_window("predictions", rows, case.spine.time, (START, END))
    _monitor(case, START + timedelta(days=1))
    open_ledger().record(Entry(NAME, "promoted", "decision:1", START, "test", 1))


def _monitor(case: UseCase, at: datetime) -> None:
    number = Measurement("drift", "carrier", at - timedelta(days=7), at, 0.0, verdict="ok")
    save_measurements(open_lake(NAME), build_measurement_rows([number], at, 1), at)


def _watch(as_of: datetime) -> str:
    from flows.watch import watch

    state = watch(NAME, as_of=as_of, return_state=True)
    assert state.is_completed()
    return str(state.message)


def _watch_through_its_deployment(as_of: datetime) -> float:
    """Run it on the worker; when it ended, in seconds of the clock."""
    from prefect.deployments import run_deployment

    asked = {"use_case": NAME, "as_of": as_of.isoformat()}
    run = run_deployment(f"watch/{NAME}-watch", parameters=asked, timeout=60, poll_interval=0.5)
    assert run.state is not None
    assert run.state.is_completed()
    return run.state.timestamp.timestamp()
