"""`mainspring up`, `down`, `deploy` and `deployments`: servers, and what they are told."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from configs.schema.loading import all_use_cases
from configs.settings import settings

_console = Console()
_MEANWHILE = (
    "Every other use case is deployed as its file asks. What prefect.yaml has of these is kept, "
    "and their runs fail with this message: mend the files, then mainspring deployments --write"
)


def up(
    schedules: Annotated[
        bool, typer.Option(help="Let the deployments run on their schedules.")
    ] = True,
) -> None:
    """Start the Prefect server, a worker and the MLflow UI, and apply the deployments.

    A use case that does not hold stops no other: it is named, and the exit code is 1.
    """
    from infra import stack

    _console.print(f"state folder [cyan]{settings().state}[/]")
    with _console.status("starting the servers (the first time takes a minute)"):
        running = stack.up(schedules=schedules)
    addresses = Table.grid(padding=(0, 2))
    for name, address in running.addresses.items():
        addresses.add_row(name, f"[link={address}]{address}[/link]")
    _console.print(addresses)
    api = f"PREFECT_API_URL={settings().prefect_url}/api"
    _console.print(f"for prefect's own commands: [bold]export {api}[/]", soft_wrap=True)
    _tell_missing(running.missing_blocks)
    own = f"MAINSPRING_STATE={settings().state}"
    _console.print(f"stop them with [bold]{own} mainspring down[/]", soft_wrap=True)
    all_use_cases().require_all(_MEANWHILE)


def down() -> None:
    """Stop what `mainspring up` started, and nothing else."""
    from infra import stack

    stopped = stack.down()
    nothing = f"nothing of ours was running for {settings().state}"
    _console.print("stopped " + ", ".join(stopped) if stopped else nothing, soft_wrap=True)


def deploy(
    schedules: Annotated[bool, typer.Option(help="Expect the runs that go by the clock.")] = True,
) -> None:
    """Tell the server of PREFECT_API_URL of the work pool, deployments and automations."""
    from infra import deploy
    from tasks.ledger.log import open_ledger

    open_ledger().prepare()  # now it is said if its database is not there
    _tell_missing(deploy.deploy(schedules=schedules))
    _console.print(f"deployed to {os.environ['PREFECT_API_URL']}")


def deployments(
    write: Annotated[
        bool, typer.Option("--write", help="Write prefect.yaml instead of comparing it.")
    ] = False,
) -> None:
    """Compare prefect.yaml with what the use cases' YAML files ask for, or write it.

    A use case that does not hold keeps what is there of it; it is named, and the exit code is 1.
    """
    from infra import deployments as generated

    if write:
        generated.write()
        _console.print("wrote prefect.yaml")
    elif generated.is_current():
        _console.print("prefect.yaml is what the use cases ask for")
    else:
        _console.print("prefect.yaml is out of date: run mainspring deployments --write")
        raise typer.Exit(1)
    all_use_cases().require_all(_MEANWHILE)


def _tell_missing(blocks: Iterable[str]) -> None:
    for block in blocks:
        _console.print(f"[yellow]no block {block} yet[/]: make it in Prefect, then run this again")
