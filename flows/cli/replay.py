"""The `replay` command: retraining policies on history, with progress bars and a report."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from configs.clock import utc_or_now
from configs.errors import BadConfig
from configs.schema.loading import load_use_case
from configs.schema.retraining_policy import load_policies
from flows.cli.options import Name
from tasks.reporting.table import transpose_table
from tasks.reporting.terminal import render_terminal, render_text

if TYPE_CHECKING:
    from tasks.replay.run import Replay


Phases = dict[str, float]


def replay(
    use_case: Name,
    more: Annotated[
        list[str] | None,
        typer.Argument(help="More policies; lets a shell expand --policy *.yaml."),
    ] = None,
    *,
    since: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day (UTC).")
    ],
    until: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day (UTC).")],
    policy: Annotated[
        list[str], typer.Option(help="Policy: a name in configs/policies, or a file; repeatable.")
    ],
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Policies at once (default: number of CPUs)."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Erase an earlier replay of the period and start over.")
    ] = False,
) -> None:
    """Replay retraining policies over history, each label at the time when it arrived.

    It reads the lake as it is now, and writes only into its own folder. An interrupted replay
    continues where it stopped, with the same results.
    """
    # set before Prefect is imported: a replay uses no server, and has no log lines to show
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "ERROR")
    start, end = utc_or_now(since), utc_or_now(until) + timedelta(days=1)
    if start >= end:
        raise BadConfig(f"--from {since:%Y-%m-%d} must not be after --to {until:%Y-%m-%d}")
    policies = load_policies([*policy, *(more or [])])
    from tasks.replay.run import prepare_replay

    prepared = prepare_replay(load_use_case(use_case), start, end, policies, again=again)
    run_replay(Console(), prepared, jobs or os.cpu_count() or 1)


def run_replay(console: Console, replay: Replay, at_once: int) -> None:
    """Run the unfinished policies of a replay, compare all, and write and print the report."""
    from tasks.replay import tables
    from tasks.replay.compare import compare_policies, save_comparison
    from tasks.replay.mlflow_log import log_replay
    from tasks.replay.policy_results import read_cpu_seconds
    from tasks.replay.report import write_replay_page
    from tasks.replay.run import share_features

    phases: Phases = {}
    title = render_text(replay.plan.use_case.title, "bold")
    console.print(Text.assemble(title, f"  {tables.describe_period(replay)}"))
    with measure_phase(phases, "features"), console.status("joining the features of the period"):
        share_features(replay)
    with measure_phase(phases, "policies"):
        show_progress(console, replay, at_once)
    with measure_phase(phases, "comparison"), console.status("comparing the policies"):
        comparison, seconds = compare_policies(replay), read_cpu_seconds(replay)
        numbers = save_comparison(comparison, replay.comparison_folder)
    with console.status("writing the report, and an MLflow run for each policy"):
        page = write_replay_page(replay, comparison, seconds, phases)
        log_replay(replay, comparison, seconds, page)
    outcomes = tables.tabulate_outcomes(replay, comparison, seconds)
    console.print(render_terminal(transpose_table(outcomes)))
    console.print(render_terminal(tables.tabulate_differences(comparison)))
    for warning in tables.list_warnings(comparison):
        console.print(Text.assemble(("!", "yellow"), " ", render_text(warning)))
    console.print(render_terminal(transpose_table(tables.tabulate_cpu_seconds(seconds))))
    console.print(tables.describe_phases(phases))
    for name, path in (("report", page), ("chart", page.with_suffix(".png")), ("numbers", numbers)):
        console.print(render_text(f"{name:8} {path}"), soft_wrap=True)


def show_progress(console: Console, replay: Replay, at_once: int) -> None:
    """Run the unfinished policies, with a progress bar for each."""
    from tasks.replay.run import run_policies

    bar = Progress(
        TextColumn("{task.description}", style="bold", markup=False), BarColumn(),
        MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[at]}"),
        console=console,
    )  # fmt: skip
    jobs = replay.jobs
    with bar:
        lines = {
            name: bar.add_task(name, total=len(job.steps), at="") for name, job in jobs.items()
        }

        def report(policy: str, done: int, steps: int) -> None:
            at = jobs[policy].steps[done - 1].at
            bar.update(lines[policy], completed=done, total=steps, at=f"{at:%Y-%m-%d}")

        run_policies(replay, at_once, report)


@contextmanager
def measure_phase(phases: Phases, name: str) -> Iterator[None]:
    """Record the seconds of wall time that the block takes."""
    start = time.monotonic()
    yield
    phases[name] = time.monotonic() - start
