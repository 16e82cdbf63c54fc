"""Bit flips and truncations of every file of a state: refused by name, or without effect."""

from __future__ import annotations

import os
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl

from configs.settings import settings
from tests.support.parcel_rows import APRIL, DAY, parcel_rows
from tests.support.small_case import SmallCase
from tests.sweeps.kills import kill_group
from tests.sweeps.story import (
    NAME,
    TYPED,
    begin_story,
    list_differences,
    read_outcome,
    restore_state,
    start_child,
    start_fork_server,
)
from tests.sweeps.tally import Tally, Tell

Tables = dict[str, pl.DataFrame]
_PATIENCE = 120.0
_NOW = APRIL + 3 * DAY
_LEFT_OUT = ("logs", "reports", "prefect")


def sweep_damage(folder: Path, flips: int, seed: int, tell: Tell) -> Tally:
    """Damage one file at a time, and use the state as a day of flows would."""
    chance, tally = random.Random(seed), Tally("damaged files")
    start_fork_server()
    with begin_story(folder) as case:
        _prepare(case)
        state = settings().state
        whole = Path(shutil.copytree(state, folder / "whole"))
        restore_state(whole)  # each use begins with files of the same age
        wanted = _use(case, tally, "the whole state")
        files = sorted(p for p in whole.rglob("*") if p.is_file() and p.stat().st_size)
        files = [p for p in files if p.relative_to(whole).parts[0] not in _LEFT_OUT]
        for _ in range(flips):
            restore_state(whole)
            path = state / chance.choice(files).relative_to(whole)
            what = f"{chance.choice(_DAMAGES)(path, chance)} of {path.relative_to(state)}"
            tally.tried += 1
            found = _use(case, tally, what)
            if found is not None and wanted is not None:
                for table in _list_silent(wanted, found, path.relative_to(state).parts[0]):
                    tally.add("silent", f"{what}: {table}")
            tell(f"{tally.tried} of {flips} damages")
    return tally


def _list_silent(wanted: Tables, found: Tables, where: str) -> list[str]:
    """The tables that differ without a word.

    A landed file that changes is a delivery of its own, which `files` and quarantine tell of.
    """
    differ = [table for _, table in list_differences(wanted, found)]
    if where != "landing":
        return differ
    recorded, expected = ({*tables["files"]["fingerprint"]} for tables in (found, wanted))
    return [] if recorded - expected else differ


def _prepare(case: SmallCase) -> None:
    for day in range(3):
        case.land(f"day{day}", parcel_rows(APRIL + day * DAY, days=1))
        case.ingest(APRIL + (day + 1) * DAY)
        case.score(APRIL + (day + 1) * DAY)


def _use(case: SmallCase, tally: Tally, what: str) -> Tables | None:
    """Use the state in a child; return what it then holds, None after an error by name."""
    child = start_child(case.folder, use_for_a_day, case, case.folder / "outcome")
    child.join(_PATIENCE)
    if child.exitcode is None and child.pid is not None:
        kill_group(child.pid)
        tally.add("hung", what)
        return None
    if child.exitcode == 0:
        return pickle.loads((case.folder / "outcome").read_bytes())
    said = (case.folder / "error").read_text() if (case.folder / "error").exists() else ""
    if child.exitcode != TYPED:
        tally.add("untyped", f"{what}: exit {child.exitcode}: {said[-600:]}")
    return None


def use_for_a_day(case: SmallCase, target: Path) -> None:
    """Ingest, refresh, publish, score again, train and read; write what the tables then hold."""
    from tasks.features.online_store import publish_features
    from tasks.ledger.log import open_ledger

    case.land("today", parcel_rows(_NOW, days=1))
    case.ingest(_NOW + DAY)
    publish_features(case.use_case, _NOW + DAY)
    case.score(_NOW + DAY, window="4d")
    case.monitor(_NOW + DAY)
    open_ledger().entries(NAME)
    target.write_bytes(pickle.dumps(read_outcome(settings().state)))


def _flip(path: Path, chance: random.Random) -> str:
    """Flip one bit."""
    content = bytearray(path.read_bytes())
    at, bit = chance.randrange(len(content)), chance.randrange(8)
    content[at] ^= 1 << bit
    _overwrite(path, bytes(content))
    return f"a flip of bit {bit} at byte {at}"


def _cut(path: Path, chance: random.Random) -> str:
    """Cut the file off."""
    size = chance.randrange(path.stat().st_size)
    _overwrite(path, path.read_bytes()[:size])
    return f"a cut to {size} bytes"


def _overwrite(path: Path, content: bytes) -> None:
    """Change a file as a disk does: its times stay."""
    before = path.stat()
    path.chmod(0o644)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


_DAMAGES: tuple[Callable[[Path, random.Random], str], ...] = (_flip, _flip, _flip, _cut)
