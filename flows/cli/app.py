"""The `mainspring` command line: all commands and the options of the whole program."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from configs.settings import settings
from flows.cli.command_line import MainspringGroup, frame_command
from flows.cli.decisions import approve, promote, reject, rollback
from flows.cli.facts import alerts, check, explain, history, reproduce, status
from flows.cli.features import PASS_THROUGH, feast, rebuild
from flows.cli.migrate import migrate
from flows.cli.new.command import new
from flows.cli.outputs.audit import audit, sbom
from flows.cli.outputs.bundle import bundle
from flows.cli.outputs.export import export
from flows.cli.recovery import recover, retire
from flows.cli.rehearse import rehearse
from flows.cli.replay import replay
from flows.cli.requests import replay_requests
from flows.cli.rows import erase, quarantine, release, repair
from flows.cli.servers.run import run
from flows.cli.servers.serve import serve
from flows.cli.servers.stack import deploy, deployments, down, notify, open_pages, up
from flows.cli.servers.stream import stream
from flows.cli.verify import verify

console = Console()
app = typer.Typer(
    cls=MainspringGroup,
    help="Keep tabular models good in production: monitor, retrain, promote, roll back.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"mainspring {installed_version('mainspring')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
) -> None:
    """Keep tabular models good in production: monitor, retrain, promote, roll back."""


def demo(
    use_case: Annotated[
        str | None, typer.Argument(help="Use case with a demo section (default: the first one).")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Last day, like 2013-07-01.")] = None,
    state: Annotated[
        Path | None, typer.Option(help="State folder of the demo; an earlier demo is erased.")
    ] = None,
) -> None:
    """Run the whole loop on real data: land, ingest, train and promote, then week after week."""
    # set before Prefect is imported: a terminal shows progress, and the UI has every log line
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "ERROR")
    from flows.cli.demo.command import find_demo_use_case, run_demo

    name = use_case or find_demo_use_case()
    if not run_demo(console, name, until, state or settings().state / "demo"):
        raise typer.Exit(1)


def demo_online(
    use_case: Annotated[
        str | None, typer.Argument(help="Use case with a demo section (default: the first one).")
    ] = None,
) -> None:
    """Serve a day of a finished demo: canary, promotion, a bad version taken back, a stream."""
    from flows.cli.demo.command import find_demo_use_case
    from flows.cli.demo_online.command import run_online_demo

    if not run_online_demo(console, use_case or find_demo_use_case()):
        raise typer.Exit(1)


_SERVERS: tuple[Callable[..., None], ...] = (up, down, deploy, deployments, new, demo)
_OTHERS: tuple[Callable[..., None], ...] = (
    run, status, alerts, history, explain, check, reproduce, verify, quarantine,
    promote, rollback, approve, reject, recover, retire, release, repair, erase,
    replay, replay_requests, rehearse, serve, stream, demo_online, export, bundle, audit, sbom,
    migrate, rebuild, notify,
)  # fmt: skip
for each in _SERVERS:
    app.command()(frame_command(each, hint=False))
for each in _OTHERS:
    app.command()(frame_command(each))
app.command("open")(frame_command(open_pages, hint=False))
app.command(context_settings=PASS_THROUGH)(frame_command(feast))


if __name__ == "__main__":
    app()
