"""Short forms of the sweeps: `make sweep` tries hundreds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sweeps.__main__ import run_sweep

SEED = 7


@pytest.mark.parametrize(
    ("name", "tries"), [("files", 24), ("texts", 60), ("damage", 4), ("paths", 2)]
)
def test_short_sweep_finds_nothing(tmp_path: Path, name: str, tries: int) -> None:
    tally = run_sweep(name, tmp_path, tries, SEED, lambda _: None)
    assert tally.tried == tries
    assert not tally.total, tally.faults


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("name", "tries"), [("kills", 20), ("servers", 6)])
def test_killed_flows_and_servers_come_to_the_same(tmp_path: Path, name: str, tries: int) -> None:
    tally = run_sweep(name, tmp_path, tries, SEED, lambda _: None)
    assert not tally.total, tally.faults
