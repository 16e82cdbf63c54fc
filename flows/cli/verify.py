"""The `verify` command: the state against what was recorded when it was written."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.console import Console

from configs.clock import utc_or_now
from configs.schema.loading import all_use_cases, load_use_case
from flows.cli.options import AnyName, AsJson, print_json
from tasks.reporting.table import build_table
from tasks.reporting.terminal import render_terminal


def verify(
    use_case: AnyName = None,
    as_json: AsJson = False,
) -> None:
    """Read lake, landed files, models and databases; name what is damaged, and what replaces it.

    Damaged feature tables are built again from raw rows. The exit code is 1 if anything is damaged
    that cannot be made again from what is there.
    """
    from tasks.lifecycle.verification import verify_state

    console = Console()
    cases = [load_use_case(use_case)] if use_case else all_use_cases().sound
    with Console(stderr=True).status("reading all of the state"):
        damages = [damage for case in cases for damage in verify_state(case, utc_or_now())]
    if as_json:
        print_json([asdict(each) for each in damages])
    elif not damages:
        console.print("nothing is damaged")
    else:
        rows = [(each.file, each.problem, each.remedy) for each in damages]
        table = build_table(["damaged", "problem", "what replaces it"], rows)
        console.print(render_terminal(table, lines=True))
    if not all(each.repaired for each in damages):
        raise typer.Exit(1)
