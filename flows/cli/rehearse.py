"""The `rehearse` command: error rates of a use case's policy, with a progress bar and a report."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.cli.options import AsJson, AsOf, Name
from tasks.reporting.terminal import render_terminal, render_text

if TYPE_CHECKING:
    from tasks.rehearsal.match_workers import Report
    from tasks.rehearsal.run import Rehearsal


def rehearse(
    use_case: Name,
    histories: Annotated[
        int, typer.Option(min=20, max=100_000, help="Resampled histories of each part.")
    ] = 200,
    gain: Annotated[
        list[float] | None,
        typer.Option(min=0, help="Gain of a better challenger, in units of a margin; repeatable."),
    ] = None,
    loss: Annotated[
        list[float] | None,
        typer.Option(min=0, help="Loss to be found, in units of a margin; repeatable."),
    ] = None,
    version: Annotated[
        int | None, typer.Option(help="Version to rehearse with (default: the champion).")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes (default: number of CPUs).")
    ] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Measure the error rates of the policy on the use case's own data: nothing is fitted.

    The days on which the champion was judged are resampled in blocks. The rules of the monitor, the
    gate and the bake window decide on them: false alarms a year, promotions of equal and of better
    models, false rollbacks, and how late faults are found.
    """
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "ERROR")
    console = Console(stderr=as_json)
    from tasks.rehearsal.page import write_rehearsal_page
    from tasks.rehearsal.prepare import prepare_rehearsal
    from tasks.rehearsal.run import RehearsalPlan, rehearse_policy

    case, defaults = load_use_case(use_case), RehearsalPlan()
    plan = RehearsalPlan(
        histories=histories,
        jobs=jobs or os.cpu_count() or 1,
        gains=tuple(gain or defaults.gains),
        losses=tuple(loss or defaults.losses),
    )
    with console.status("reading and predicting the judged days"):
        prepared = prepare_rehearsal(case, version, utc_or_now(as_of))
    with _show_progress(console, histories) as report:
        rehearsal = rehearse_policy(prepared.pool, prepared.earlier, plan, report)
    page = write_rehearsal_page(case, rehearsal)
    if as_json:
        Console().print_json(data=asdict(rehearsal), default=str, ensure_ascii=True)
    else:
        _print_rehearsal(console, case.title, rehearsal, page)


def _print_rehearsal(console: Console, title: str, rehearsal: Rehearsal, page: str) -> None:
    from tasks.rehearsal.tables import describe_rehearsal, list_remarks, tabulate_rehearsal

    described = describe_rehearsal(rehearsal)
    console.print(Text.assemble(render_text(title, "bold"), f"  {described}"))
    for table in tabulate_rehearsal(rehearsal):
        console.print(render_terminal(table))
    for remark in list_remarks(rehearsal):
        console.print(Text.assemble(("!", "yellow"), " ", render_text(remark)))
    console.print(render_text(f"report {page}"), soft_wrap=True)


@contextmanager
def _show_progress(console: Console, histories: int) -> Iterator[Report]:
    """Yield the function that moves the progress bar of a part."""
    bar = Progress(
        TextColumn("{task.description}", style="bold", markup=False), BarColumn(),
        MofNCompleteColumn(), TimeElapsedColumn(), console=console,
    )  # fmt: skip
    parts = {}
    with bar:

        def report(part: str, played: int) -> None:
            if part not in parts:
                parts[part] = bar.add_task(part, total=histories)
            bar.advance(parts[part], played)

        yield report
