"""The promote and rollback flows themselves, on a real server, killed at each of their effects."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.settings import ROOT, settings
from infra import fault_injection
from tasks.ledger.log import open_ledger
from tasks.ledger.projections import list_unanswered
from tests.support.candidates import record
from tests.support.prefect_server import (
    EARLIER,
    NAME,
    another_version,
    candidate,
    run_servers,
    write_small_yaml,
)
from tests.support.processes import copy_state, fault_points, read_state

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(1500)]
PROMOTE = f"from flows.promote import promote; promote({NAME!r}, 2)"
ROLLBACK = (
    "from datetime import datetime; from flows.rollback import rollback; "
    f"rollback({NAME!r}, 'decision:2', as_of=datetime(2013, 2, 5))"
)
SHARED = ("lake", "landing", "feast_registry", "feast_online", "mlflow_artifacts", "reports")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Ledger and registry with version 1 as champion, and 2, as good, as candidate."""
    from tasks.lifecycle.champion_alias import sync_champion_alias
    from tasks.model_cards.registration import register_candidate
    from tasks.training.pipeline import train_model

    with run_servers(tmp_path_factory.mktemp("server")):
        case = write_small_yaml(gate={"rule": "non_inferiority", "margin": 0.5, "cost_margin": 9})
        record(
            open_ledger(),
            "promoted",
            "decision:1",
            EARLIER,
            register_candidate(train_model(case, EARLIER), "first"),
        )
        candidate(another_version(1))
        sync_champion_alias(open_ledger(), NAME)
        folder = tmp_path_factory.mktemp("template")
        for name in ("ledger.db", "mlflow.db"):
            (folder / name).write_bytes((settings().state / name).read_bytes())
        yield folder


def run_program(program: str, state: Path, point: str = "") -> int:
    """Run a flow on a copy of ledger and registry; its exit code."""
    shared = {f"MAINSPRING_{name.upper()}": str(getattr(settings(), name)) for name in SHARED}
    own = {"MAINSPRING_STATE": str(state), fault_injection.VARIABLE: point}
    environment = {**os.environ, **shared, **own}
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment).returncode


def kept(state: Path) -> tuple[list[str], int | None, int | None]:
    """The ledger's keys, its champion and the alias; this process looks elsewhere afterwards."""
    before = os.environ["MAINSPRING_STATE"]
    entries, reigning, alias = read_state(state)
    assert list_unanswered(entries) == []
    os.environ["MAINSPRING_STATE"] = before
    settings.cache_clear()
    open_ledger.cache_clear()
    return [e.key for e in entries], reigning, alias


@pytest.mark.parametrize(
    ("program", "effects"),
    [
        (PROMOTE, ("record the step", "set the alias", "emit mainspring.promoted")),
        (ROLLBACK, ("record the rollback", "set the alias", "emit mainspring.rolled-back")),
    ],
)
def test_flow_killed_and_rerun_leaves_the_same_state(
    template: Path, tmp_path: Path, program: str, effects: tuple[str, ...]
) -> None:
    start = copy_state(template, tmp_path / "start")
    if program == ROLLBACK:
        assert run_program(PROMOTE, start) == 0
    whole = copy_state(start, tmp_path / "whole")
    assert run_program(program, whole) == 0
    wanted = kept(whole)
    assert wanted[1] == wanted[2]
    for number, point in enumerate(fault_points(*effects)):
        broken = copy_state(start, tmp_path / str(number))
        assert run_program(program, broken, point) == -signal.SIGKILL, point
        assert run_program(program, broken) == 0, point
        assert kept(broken) == wanted, point
