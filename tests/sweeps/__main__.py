"""make sweep: kills, damaged files, bad inputs and odd paths at random; every count must be 0."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from tests.sweeps.tally import Tally, Tell, tabulate

SWEEPS = {"kills": 170, "servers": 30, "damage": 200, "files": 250, "texts": 250, "paths": 20}
"""The sweeps with how much each tries by default."""


def main() -> None:
    """Run the sweeps, print the counts and what was found; exit with 1 after any fault."""
    asked, console = _arguments(), Console(stderr=True)
    tallies = [_sweep(name, asked, console) for name in asked.sweeps]
    Console(width=120).print(tabulate(tallies))
    if asked.json:
        asked.json.write_text(json.dumps([tally.to_json() for tally in tallies], indent=1))
    sys.exit(any(tally.total for tally in tallies))


def _sweep(name: str, asked: argparse.Namespace, console: Console) -> Tally:
    """Run one sweep and print its faults."""
    tries = asked.tries or SWEEPS[name]

    def tell(what: str) -> None:
        if asked.verbose:
            console.print(what, markup=False)
        status.update(escape(f"{name}: {what}"))

    with (
        tempfile.TemporaryDirectory(prefix="sweep-") as folder,
        console.status(f"{name}: {tries} tries, seed {asked.seed}") as status,
    ):
        tally = run_sweep(name, Path(folder), tries, asked.seed, tell)
    for kind, found in tally.faults.items():
        for what in found:
            console.print(f"{tally.name}: {kind}: {what}", markup=False)
    return tally


def run_sweep(name: str, folder: Path, tries: int, seed: int, tell: Tell) -> Tally:
    """Run one sweep in an empty folder."""
    from tests.sweeps import bad_files, bad_texts, damage, kills, odd_paths, server_kills

    if name == "kills":
        from prefect.settings import PREFECT_API_URL
        from prefect.testing.utilities import prefect_test_harness

        with prefect_test_harness(server_startup_timeout=120):
            api = str(PREFECT_API_URL.value())
            return kills.sweep_kills(folder / "work", tries, seed, api, tell)
    sweeps = {
        "servers": server_kills.sweep_server_kills,
        "damage": damage.sweep_damage,
        "files": bad_files.sweep_files,
        "texts": bad_texts.sweep_texts,
        "paths": odd_paths.sweep_paths,
    }
    return sweeps[name](folder / "work", tries, seed, tell)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sweeps", description=__doc__)
    parser.add_argument("sweeps", nargs="*", choices=[*SWEEPS, []], default=list(SWEEPS))
    parser.add_argument("--tries", type=int, help="how much each sweep tries")
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--json", type=Path, help="where the counts are written")
    parser.add_argument("--verbose", action="store_true", help="print each try")
    return parser.parse_args()


if __name__ == "__main__":
    main()
