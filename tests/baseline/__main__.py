"""Record or compare what the product comes to: python -m tests.baseline record FOLDER --long.

Record before a change of the structure and after it; `compare` then says where the two differ, to
the byte. A place for the work (5 minutes and 2 GB with --long) is made beside the folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.baseline.compare import differences
from tests.baseline.record import (
    empty,
    play_week,
    record_deployments,
    record_replays,
    record_week,
    small_flights,
)


def main() -> None:
    """Do what the arguments say; exit code 1 if a comparison finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.baseline", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    record = commands.add_parser("record", help="play, and write what it came to")
    record.add_argument("folder", type=Path)
    record.add_argument("--long", action="store_true", help="also replay flights and visits")
    compare = commands.add_parser("compare", help="say where two recordings differ")
    compare.add_argument("first", type=Path)
    compare.add_argument("second", type=Path)
    compare.add_argument("--tolerance", type=float, default=0.0, help="relative, of numbers")
    asked = parser.parse_args()
    if asked.command == "compare":
        found = differences(asked.first, asked.second, asked.tolerance)
        print("\n".join(found) or "equal")
        sys.exit(bool(found))
    _record(asked.folder.resolve(), long=asked.long)


def _record(folder: Path, *, long: bool) -> None:
    work = empty(folder.with_name(f"{folder.name}.work"))
    empty(folder)
    record_deployments(folder)
    if long:
        record_replays(folder, work / "replays")
    state = work / "week"
    small_flights(state)
    for name in [name for name in os.environ if name.startswith("MAINSPRING_")]:
        del os.environ[name]
    os.environ |= {"MAINSPRING_STATE": str(state), "MAINSPRING_USE_CASES": str(state)}
    from prefect.testing.utilities import prefect_test_harness

    from configs.settings import settings

    settings.cache_clear()
    with prefect_test_harness(server_startup_timeout=120):
        play_week(state)
    record_week(state, folder)


if __name__ == "__main__":
    main()
