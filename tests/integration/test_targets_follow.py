"""Targets follow the ledger: promotion, canary and rollback reach a folder, once and whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from configs.errors import Transient
from configs.schema.promotion import Canary
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.state import read_ledger_state
from tasks.promotion.rollback import roll_back_by_hand
from tasks.rollout.state import plan_rollout
from tasks.targets import folder_driver
from tasks.targets.follow import TargetOutcome, find_target_changes, follow_target
from tasks.targets.wanted_versions import find_wanted_versions
from tests.support.bundles import load_handler
from tests.support.parcel_rows import APRIL, DAY, MARCH, parcel_rows
from tests.support.small_case import SmallCase, small_case

pytestmark = pytest.mark.system
CANARY = Canary(shares=(0.2, 0.5), unit=("parcel",))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCase]:
    folder = tmp_path_factory.mktemp("targets")
    targets = {
        "shop": {"kind": "folder", "address": str(folder / "shop")},
        "gone": {"kind": "folder", "address": "/proc/nowhere", "bundle_for": "lambda"},
    }
    with small_case(folder, yaml={"targets": targets}) as parcels:
        parcels.land("spring", parcel_rows(MARCH, days=31))
        parcels.ingest(APRIL)
        for moment in (APRIL - DAY, APRIL):
            parcels.train(moment)
        yield parcels


def follow_all(case: SmallCase, moment: datetime) -> list[TargetOutcome]:
    wanted = find_wanted_versions(case.ledger(), moment)
    return [follow_target(case.use_case, name, wanted) for name in case.use_case.targets]


def current(case: SmallCase) -> dict[str, float]:
    """The shares that the folder names; each of its bundles is whole and opens."""
    root = Path(case.use_case.targets["shop"].address) / case.name
    read = json.loads((root / "current.json").read_text())
    for version in read["versions"]:
        folder = root / version["path"]
        opened = load_handler(folder).Bundle(folder)
        assert opened.card["version"] == version["version"]
        assert opened.card["registered_digest"] == version["digest"]
    return {f"{v['role']} {v['version']}": v["share"] for v in read["versions"]}


def test_promotion_canary_and_rollback_reach_the_folder(case, monkeypatch):
    case.promote(1, APRIL)
    shop, gone = follow_all(case, APRIL)
    assert (shop.changed, shop.problem) == (True, "")
    assert gone.problem
    assert current(case) == {"champion 1": 1.0}
    assert not follow_all(case, APRIL)[0].changed

    canary = case.use_case.model_copy(update={"rollout": CANARY})
    plan = plan_rollout(canary, 1).to_json()
    start = Entry(case.name, "rollout_started", "rollout:2", APRIL + DAY, "t", 2, plan)
    open_ledger().record(start)
    writes = []
    write_file = folder_driver.files.write_file

    def die_before_current(address: str, content: bytes) -> None:
        writes.append(address)
        if address.endswith("current.json"):
            raise Transient("the machine is gone")
        write_file(address, content)

    with monkeypatch.context() as killed:  # between the bundle and the file that names it
        killed.setattr(folder_driver.files, "write_file", die_before_current)
        assert follow_all(case, APRIL + DAY)[0].problem == "the machine is gone"
        assert writes
    assert current(case) == {"champion 1": 1.0}
    assert follow_all(case, APRIL + DAY)[0].changed
    assert current(case) == {"champion 1": 0.8, "challenger 2": 0.2}

    case.promote(2, APRIL + 2 * DAY)
    follow_all(case, APRIL + 2 * DAY)
    assert current(case) == {"champion 2": 1.0}
    roll_back_by_hand(open_ledger(), case.name, APRIL + 3 * DAY, "t", "worse")
    follow_all(case, APRIL + 3 * DAY)
    assert current(case) == {"champion 1": 1.0}


def test_a_failing_target_pages_once_until_it_follows():
    moments = [APRIL + hours * DAY / 24 for hours in range(4)]
    problems = ["refused", "still refused", "", ""]
    told = []
    for moment, problem in zip(moments, problems, strict=True):
        ledger = read_ledger_state(open_ledger(), "m")
        changes = find_target_changes("m", ledger, [TargetOutcome("t", problem=problem)], moment)
        told.append([entry.what for entry in changes])
        for entry in changes:
            open_ledger().record(entry)
    assert told == [["episode_opened"], [], ["episode_closed"], []]
