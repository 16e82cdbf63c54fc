"""The demo as a person runs it: short in every run, the whole year with `make test-slow`."""

import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest
import yaml

from configs.settings import ROOT
from tasks.ledger.log import Ledger
from tests.support.readme_commands import run_demo_commands


def play_demo(tmp_path: Path, *words: str, **env: str) -> str:
    """Run `mainspring demo` in a state folder of its own; what it printed."""
    command = [
        sys.executable,
        "-m",
        "flows.cli.app",
        "demo",
        "--state",
        str(tmp_path / "demo"),
        *words,
    ]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "COLUMNS": "200", **env},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def processes_of(state: Path) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["environ"]) if _uses(p.info["environ"], state)]


def _uses(environ: dict[str, str] | None, state: Path) -> bool:
    return bool(environ) and environ.get("MAINSPRING_STATE", "").startswith(str(state))


@pytest.mark.server
@pytest.mark.timeout(600)
def test_an_alert_closes_the_loop_by_itself(tmp_path):
    """Three weeks with a rule so strict that the first mature fortnight pages."""
    strict = yaml.safe_load((ROOT / "configs" / "flights.yaml").read_text())
    strict["monitor"]["performance"] = [{"metric": "roc_auc", "window": "2w", "worse_by": 0.0001}]
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "flights.yaml").write_text(yaml.safe_dump(strict))

    use_cases = {"MAINSPRING_USE_CASES": str(folder)}
    write = [sys.executable, "-m", "flows.cli.app", "deployments", "--write"]
    subprocess.run(write, cwd=ROOT, env={**os.environ, **use_cases}, check=True)

    said = play_demo(tmp_path, "--until", "2013-04-22", **use_cases)

    assert "the loop closed" in said
    picture = tmp_path / "demo" / "reports" / "flights" / "year.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    story = Ledger(f"sqlite:///{tmp_path / 'demo' / 'ledger.db'}").entries("flights")
    happened = [entry.what for entry in story]
    assert happened[:5] == [
        "candidate_registered", "promoted", "episode_opened", "alert_raised", "retrain_started",
    ]  # fmt: skip
    assert happened[5] == "candidate_registered"
    assert happened[6] in ("rollout_started", "refused")
    shown = story[6].evidence["differences"]["roc_auc"]
    assert shown["low"] < shown["high"]
    assert datetime.fromisoformat(story[6].evidence["from"]) < story[6].at
    assert {"fresh labelled rows", "roc_auc", "cost", "calibration"} <= {
        line["gate"] for line in story[6].evidence["gates"]
    }
    assert "not shown to be worse" in said, "the demo shows the table of gates"
    assert processes_of(tmp_path) == []


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(1500)
def test_the_whole_year_twice_in_a_row(tmp_path):
    first, second = play_demo(tmp_path), play_demo(tmp_path)
    for said in (first, second):
        assert "the loop closed" in said
    assert processes_of(tmp_path) == []
    story = Ledger(f"sqlite:///{tmp_path / 'demo' / 'ledger.db'}").entries("flights")
    let_in = [e for e in story if e.version == 2 and e.what.startswith(("rollout", "promoted"))]
    assert [e.evidence.get("share") for e in let_in] == [0.1, 0.5, None]
    assert all(e.evidence["gates"] for e in let_in)
    baked = datetime.fromisoformat(let_in[-1].evidence["bake_until"]) - let_in[-1].at
    assert baked == timedelta(days=28)
    assert [e.version for e in story if e.what == "refused"] == [3]
    before = len(story)
    printed = run_demo_commands(tmp_path)
    assert len(printed) >= 9
    assert "measured only" in " ".join(text for name, text in printed.items() if "monitor" in name)
    after = Ledger(f"sqlite:///{tmp_path / 'demo' / 'ledger.db'}").entries("flights")
    assert len(after) == before, "nothing of README changes a decision"
