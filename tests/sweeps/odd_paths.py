"""State paths with odd characters: the loop works in each, or the settings refuse its name."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

from configs.errors import BadConfig
from configs.paths import require_delta_path
from configs.settings import settings
from tests.support.parcel_rows import APRIL, DAY, MARCH, parcel_rows
from tests.support.small_case import small_case
from tests.support.state import state
from tests.sweeps.kills import kill_group
from tests.sweeps.story import list_differences, read_outcome, start_child, start_fork_server
from tests.sweeps.tally import Tally, Tell

_ODD = " ü{}'\"%#?[]&=+;,*$~!()é@^`|<>\\:日"
_KNOWN = (
    "My Projects ü {x}'", "50%done", "no#1", "what?", "curly{x}", "a&b=c", "tr+plus", "it's",
    'double"quote', "[1]", "~tilde", "semi;colon", "star*", "$HOME", "back\\slash", "日本",
)  # fmt: skip
_PATIENCE = 180.0


def sweep_paths(folder: Path, paths: int, seed: int, tell: Tell) -> Tally:
    """Run the loop in a plain folder and in odd ones; all come to the same."""
    chance, tally = random.Random(seed), Tally("odd paths")
    start_fork_server()
    wanted = _play(folder / "plain", tally)
    names, refused = iter(_KNOWN), 0
    while tally.tried < paths:
        name = next(names, None) or _make_name(chance)
        if _is_refused(folder / name, tally):
            refused += 1
            continue
        tally.tried += 1
        found = _play(folder / name, tally)
        for kind, table in list_differences(wanted or {}, found or {}) if found else []:
            tally.add(kind, f"{name!r}: {table}")
        tell(f"{tally.tried} of {paths} paths, {refused} more refused by name")
    tally.name = f"odd paths ({refused} more refused by name)"
    return tally


def _is_refused(folder: Path, tally: Tally) -> bool:
    """Return whether the settings refuse a folder that Delta's library cannot open."""
    try:
        require_delta_path("MAINSPRING_STATE", str(folder))
    except BadConfig:
        pass
    else:
        return False
    folder.mkdir()
    with state(folder / "state", {}):  # the settings refuse it before anything is written
        try:
            settings()
        except BadConfig:
            if any(folder.iterdir()):
                tally.add("silent", f"{folder.name!r}: refused, but something was written")
            return True
    tally.add("silent", f"{folder.name!r}: not refused")
    return True


def _make_name(chance: random.Random) -> str:
    return "".join(chance.choice("ab1" + _ODD) for _ in range(10)).strip(" .") or "a b"


def _play(folder: Path, tally: Tally) -> Any:
    folder.mkdir(parents=True)
    child = start_child(folder, play_loop, folder / "case", folder / "outcome")
    child.join(_PATIENCE)
    if child.exitcode is None and child.pid is not None:
        kill_group(child.pid)
        tally.add("hung", folder.name)
    elif child.exitcode:
        said = (folder / "error").read_text() if (folder / "error").exists() else ""
        tally.add("untyped", f"{folder.name!r}: exit {child.exitcode}: {said[-600:]}")
    else:
        return pickle.loads((folder / "outcome").read_bytes())
    return None


def play_loop(folder: Path, target: Path) -> None:
    """Ingest, train, promote, score and monitor in a state below a folder."""
    folder.mkdir()
    with small_case(folder) as case:
        case.land("before", parcel_rows(MARCH, days=40))
        case.ingest(APRIL)
        case.train(APRIL)
        case.promote()
        case.land("day", parcel_rows(APRIL, days=1))
        case.ingest(APRIL + DAY)
        case.score(APRIL + DAY)
        case.monitor(APRIL + DAY)
        target.write_bytes(pickle.dumps(read_outcome(settings().state)))
