"""The `run` command: start a flow of a use case, wait for it, and print what came of it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from configs.clock import utc_or_now
from configs.errors import BadConfig, CannotStart
from configs.schema.loading import load_use_case
from configs.settings import settings
from flows.cli.options import MOMENTS, AsJson, Name, VersionOption, print_json
from tasks.orchestration import started_runs
from tasks.orchestration.started_runs import StartedRun
from tasks.reporting.terminal import render_text

FlowName = Literal[
    "ingest", "materialize", "score", "monitor", "watch", "train", "retrain", "promote",
    "rollback", "reconcile", "verify",
]  # fmt: skip
_console = Console()


def run(
    flow: Annotated[FlowName, typer.Argument(help="Flow to run.")],
    use_case: Name,
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=MOMENTS, help="Moment that the run treats as now (default: now)."),
    ] = None,
    window: Annotated[
        str | None, typer.Option(help="Of score: score this span again, like 7d.")
    ] = None,
    version: VersionOption = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", help="Another parameter, like force=true; repeatable."),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the end of the run.")] = True,
    as_json: AsJson = False,
) -> None:
    """Run a flow of a use case on the Prefect server, and print its message and links.

    The exit code is 0 if the run completed, and 1 if it did not. Ctrl-C ends the waiting only.
    """
    name = load_use_case(use_case).name
    at = None if as_of is None else utc_or_now(as_of).isoformat()
    options = {"as_of": at, "window": window, "version": version}
    parameters = {key: value for key, value in options.items() if value is not None}
    _require_server()
    run_id = started_runs.start_run(flow, name, parameters | _parse_parameters(parameter or []))
    page = started_runs.list_run_pages(run_id, settings().prefect_url)["run"]
    if not wait:
        print_json({"run": run_id, "page": page}) if as_json else _console.print(page)
        return
    ended = _wait_for(run_id, f"{flow} {name}", page, quiet=as_json)
    pages = started_runs.list_run_pages(run_id, settings().prefect_url)
    if as_json:
        print_json({"run": run_id, "state": ended.state, "message": ended.message, "pages": pages})
    else:
        _print_run(ended, pages)
    if not (ended.succeeded or ended.is_suspended):
        raise typer.Exit(1)


def _parse_parameters(texts: list[str]) -> dict[str, Any]:
    """Return `name=value` texts as parameters; a value is JSON if it can be read so."""
    parameters: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name.strip()):
            raise BadConfig(f"--parameter {text!r:.60} is invalid; write name=value")
        try:
            parameters[name.strip()] = json.loads(value)
        except ValueError:
            parameters[name.strip()] = value
    return parameters


def _require_server() -> None:
    from infra import environment

    if not environment.join_server():
        raise CannotStart(
            f"no server responds at {settings().prefect_url}; start it with make up (with make up "
            "DEMO=1 for the demo's state)"
        )


def _wait_for(run_id: str, title: str, page: str, *, quiet: bool) -> StartedRun:
    """Follow a run with a progress line; return it as it ended."""
    bar = Progress(
        TextColumn("{task.description}", style="bold", markup=False), BarColumn(pulse_style="cyan"),
        TimeElapsedColumn(), TextColumn("{task.fields[state]}", markup=False),
        console=Console(stderr=True), transient=True, disable=quiet,
    )  # fmt: skip
    try:
        with bar:
            line = bar.add_task(title, total=None, state="")
            for now in started_runs.follow_run(run_id):
                bar.update(line, state=f"{now.state}, {now.finished_tasks} tasks done")
    except KeyboardInterrupt:
        _console.print(render_text(f"the run goes on: {page}"), soft_wrap=True)
        raise typer.Exit(130) from None
    return now


def _print_run(ended: StartedRun, pages: dict[str, str]) -> None:
    style = "bold green" if ended.succeeded else "bold yellow" if ended.is_suspended else "bold red"
    state = (ended.state, style)
    message = render_text(f"  {ended.message}" if ended.message else "")
    _console.print(Text.assemble(f"{ended.name}  ", state, message), soft_wrap=True)
    for name, page in pages.items():
        _console.print(render_text(f"{name}: {page}"), soft_wrap=True)
