"""The replay command: policies tried on history, with a progress line for each, and the page."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from configs.errors import BadConfig
from configs.schema.loading import load_use_case
from configs.schema.retraining_policy import load_policies

if TYPE_CHECKING:
    from tasks.replay.run import Replay


Phases = dict[str, float]


def replay(
    use_case: Annotated[str, typer.Argument(help="The use case: a file of configs/.")],
    more: Annotated[
        list[str] | None, typer.Argument(help="More policies: what a shell makes of a *.yaml.")
    ] = None,
    *,
    since: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day (UTC).")
    ],
    until: Annotated[
        datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day (UTC).")
    ],
    policy: Annotated[
        list[str], typer.Option(help="A name of configs/policies, or a file; several times.")
    ],
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Policies at once (default: the CPUs).")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Erase what an earlier replay left, and begin anew.")
    ] = False,
) -> None:
    """Replay policies over history, in logical time and with labels arriving when they arrived.

    Reads the lake as it is now and writes nowhere else than into a folder of its own. Killed and
    started again, it goes on where it was, and comes to the same numbers.
    """
    # before Prefect is imported: its server is not asked, and has nothing to say
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "ERROR")
    start, end = (day.replace(tzinfo=UTC) for day in (since, until + timedelta(days=1)))
    if start >= end:
        raise BadConfig(f"--from {since:%Y-%m-%d} must not be after --to {until:%Y-%m-%d}")
    policies = load_policies([*policy, *(more or [])])
    from tasks.replay.run import prepare_replay

    found = prepare_replay(load_use_case(use_case), start, end, policies, again=again)
    show(Console(), found, jobs or os.cpu_count() or 1)


def show(console: Console, replay: Replay, at_once: int) -> None:
    """Play what is left of a replay, then compare, write and print what it came to."""
    from tasks.replay import tables
    from tasks.replay.compare import compare_policies, save_comparison
    from tasks.replay.mlflow_log import log_replay
    from tasks.replay.policy_results import read_cpu_seconds
    from tasks.replay.report import write_replay_page
    from tasks.replay.run import share_features

    phases: Phases = {}
    console.print(f"[bold]{replay.plan.use_case.title}[/]  {tables.describe_period(replay)}")
    with timed(phases, "features"), console.status("joining the features of the whole period"):
        share_features(replay)
    with timed(phases, "policies"):
        play(console, replay, at_once)
    with timed(phases, "comparison"), console.status("comparing the policies"):
        found, seconds = compare_policies(replay), read_cpu_seconds(replay)
        numbers = save_comparison(found, replay.folder)
    with console.status("writing the page, and a run for each policy into MLflow"):
        page = write_replay_page(replay, found, seconds, phases)
        log_replay(replay, found, seconds, page)
    console.print(turned("what each policy came to", tables.outcome_rows(replay, found, seconds)))
    console.print(table("against each other", tables.difference_rows(found)))
    for warning in tables.list_warnings(found):
        console.print(f"[yellow]![/] {warning}")
    console.print(turned("CPU seconds by kind of work", tables.timing_rows(seconds)))
    console.print(tables.format_seconds(phases))
    for name, path in (("page", page), ("picture", page.with_suffix(".png")), ("numbers", numbers)):
        console.print(f"{name:8} {path}", highlight=False, soft_wrap=True)


def play(console: Console, replay: Replay, at_once: int) -> None:
    """Play all policies, with a line for each."""
    from tasks.replay.run import run_policies

    bar = Progress(
        TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("{task.fields[at]}"), console=console,
    )  # fmt: skip
    jobs = replay.jobs
    with bar:
        lines = {name: bar.add_task(name, total=len(of.steps), at="") for name, of in jobs.items()}

        def tell(policy: str, done: int, steps: int) -> None:
            at = jobs[policy].steps[done - 1].at
            bar.update(lines[policy], completed=done, total=steps, at=f"{at:%Y-%m-%d}")

        run_policies(replay, at_once, tell)


@contextmanager
def timed(phases: Phases, name: str) -> Iterator[None]:
    """Keep how many seconds of the clock something took."""
    began = time.monotonic()
    yield
    phases[name] = time.monotonic() - began


def table(title: str, rows: list[dict[str, str]]) -> Table:
    """Rows that share their keys, as a terminal shows them."""
    found = Table(title=title, title_justify="left")
    for column in rows[0] if rows else ():
        found.add_column(column, overflow="fold")
    for row in rows:
        found.add_row(*row.values())
    return found


def turned(title: str, rows: list[dict[str, str]]) -> Table:
    """As `table`, with a column for each row: its first value is the column's name."""
    names = [next(iter(row.values())) for row in rows]
    subjects = list(rows[0])[1:] if rows else []
    return table(
        title,
        [
            {"": subject, **{name: row[subject] for name, row in zip(names, rows, strict=True)}}
            for subject in subjects
        ],
    )
