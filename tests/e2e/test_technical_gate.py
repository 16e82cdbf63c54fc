"""The technical gate under load: a slow challenger and a failing champion are taken back, once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from configs.schema.promotion import Canary
from tasks.ledger.evidence import RolledBack, read_evidence
from tasks.ledger.log import Entry, open_ledger
from tasks.models.registry import open_model
from tasks.promotion.manual_promotion import promote_manually
from tasks.rollout.state import plan_rollout
from tests.support.faulty_version import gap_above, register_faulty_version
from tests.support.prefect_server import until
from tests.support.served_case import NOW, served_case
from tests.support.served_process import running_server
from tests.support.small_case import SmallCase

pytestmark = pytest.mark.system
PATH = "/v1/models/parcels:predict"
GATE = {"every_seconds": 1, "min_requests": 10, "latency_floor_ms": 5}


@pytest.fixture
def case(tmp_path: Path) -> Iterator[SmallCase]:
    with served_case(tmp_path, technical=GATE) as parcels:
        yield parcels


def list_kinds(name: str) -> list[str]:
    return [entry.what for entry in open_ledger().entries(name)]


def send(url: str, stop: threading.Event) -> None:
    weights = [2.0, 5.0, 8.5, 1e6]
    with httpx.Client(base_url=url, timeout=30) as client:
        number = 0
        while not stop.is_set():
            row = {"parcel": f"P{number}", "depot": "north", "weight": weights[number % 4],
                   "items": 3, "fragile": True}  # fmt: skip
            with suppress(httpx.TransportError):  # after a 500 the connection is closed
                client.post(PATH, json={"instances": [row]})
            number += 1


def start_parcel_canary(case: SmallCase, version: int) -> None:
    canary = case.use_case.model_copy(update={"rollout": Canary(shares=(0.2,))})
    plan = plan_rollout(canary, 1)
    assert plan is not None
    now = datetime.now(UTC)
    open_ledger().record(
        Entry("parcels", "rollout_started", f"rollout:{version}", now, "t", version, plan.to_json())
    )


def test_a_slow_challenger_and_a_failing_champion_are_taken_back(case):
    weight = open_model("parcels", 1).card.inputs.numeric.index("weight")
    slow = register_faulty_version("parcels", NOW, size=512)
    failing = register_faulty_version("parcels", NOW, gap=gap_above(weight, 1e5))
    stop = threading.Event()
    with running_server("parcels", case.folder, "--workers", "2") as (_, url):
        senders = [threading.Thread(target=send, args=(url, stop)) for _ in range(4)]
        for each in senders:
            each.start()
        try:
            start_parcel_canary(case, slow)
            until(lambda: "refused" in list_kinds("parcels") or None, "refusal", seconds=60)
            until(lambda: "episode_closed" in list_kinds("parcels") or None, "end", seconds=30)
            now = datetime.now(UTC)
            promote_manually(open_ledger(), case.use_case, failing, now, "test", "for a test")
            until(lambda: "rolled_back" in list_kinds("parcels") or None, "rollback", seconds=60)
            until(
                lambda: list_kinds("parcels").count("episode_closed") == 2 or None,
                "closed episodes", seconds=30,
            )  # fmt: skip
        finally:
            stop.set()
            for each in senders:
                each.join()
    entries = open_ledger().entries("parcels")
    story = [(e.what, e.version) for e in entries if e.at > NOW + timedelta(days=1)]
    assert story == [
        ("rollout_started", slow), ("episode_opened", slow), ("refused", slow),
        ("episode_closed", slow), ("promoted", failing), ("episode_opened", failing),
        ("rollback_asked", failing), ("rolled_back", 1), ("episode_closed", failing),
    ]  # fmt: skip
    undone = read_evidence(next(e for e in entries if e.what == "rolled_back"), RolledBack)
    assert (undone.loser, undone.gates[0].gate) == (failing, "errors")
