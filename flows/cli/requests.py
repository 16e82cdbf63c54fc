"""The command `replay-requests`: logged requests predicted again by another version."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.cli.options import LARGEST, AsJson, AsOf, Name, print_json
from tasks.reporting.formats import format_number, format_share
from tasks.reporting.table import build_record_table
from tasks.reporting.terminal import render_terminal, render_text

_console = Console()


def replay_requests(
    use_case: Name,
    version: Annotated[
        int, typer.Option("--version", min=1, max=LARGEST, help="Version that predicts again.")
    ],
    last: Annotated[str, typer.Option(help="Span before `as of`, like 7d or 12h.")] = "7d",
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Predict logged requests again with another version, and compare; nothing is written.

    It reads requests that ingest has taken, with their inputs as the model saw them.
    """
    from tasks.scoring.batch import scoring_window
    from tasks.scoring.replayed_requests import replay_requests

    case, end = load_use_case(use_case), utc_or_now(as_of)
    result = replay_requests(case, version, scoring_window(end, last))
    if as_json:
        print_json(asdict(result))
        return
    before = ", ".join(f"{rows:,} by version {each}" for each, rows in result.versions.items())
    _console.print(
        render_text(
            f"{result.rows:,} rows predicted again by version {version} (before: {before}); "
            f"{format_share(result.changed / result.rows, 1)} have another decision; values "
            f"differ by {format_number(result.mean_difference, 4)} on average, "
            f"{format_number(result.largest_difference, 4)} at most"
        )
    )
    table = build_record_table([dict(each) for each in result.examples], "largest differences")
    _console.print(render_terminal(table))
