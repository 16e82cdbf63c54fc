"""Damage of SQLite's write-ahead log: no entry is lost without an error."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from configs.errors import Damaged
from tasks.ledger.log import Entry, Ledger
from tests.support.ledger_entries import START

ENTRIES = 12


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a ledger that a process has open, as a machine that goes down leaves them."""
    folder = tmp_path_factory.mktemp("ledger")
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")
    for number in range(1, ENTRIES + 1):
        ledger.record(Entry("flights", "refused", f"decision:{number}", START, "test", number))
    copy = Path(shutil.copytree(folder, folder / "left"))
    assert (copy / "ledger.db-wal").stat().st_size
    return copy


def damage_log(log: Path, seed: int) -> None:
    """Flip a bit of the log, or cut it off."""
    chance, content = random.Random(seed), bytearray(log.read_bytes())
    place = chance.randrange(len(content))
    if seed % 2:
        content[place] ^= 1 << chance.randrange(8)
    else:
        del content[place:]
    log.write_bytes(bytes(content))


@pytest.mark.parametrize("seed", range(30))
def test_ledger_with_a_damaged_log_has_all_entries_or_says_so(files, tmp_path, seed):
    folder = Path(shutil.copytree(files, tmp_path / "state"))
    (folder / "ledger.db-shm").unlink()  # the next process reads the log itself
    damage_log(folder / "ledger.db-wal", seed)
    try:
        entries = Ledger(f"sqlite:///{folder / 'ledger.db'}").entries("flights")
    except Damaged:
        return
    assert [entry.version for entry in entries] == [*range(1, ENTRIES + 1)]
