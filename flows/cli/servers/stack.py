"""The commands `up`, `down`, `deploy`, `deployments`, `open` and `notify`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from configs.errors import BadConfig, CannotStart
from configs.schema.loading import all_use_cases, load_use_case
from configs.settings import settings
from flows.cli.command_line import demo_folder
from flows.cli.options import AnyName, AsJson, Name, print_json
from tasks.models.mlflow.links import build_model_url
from tasks.reporting.terminal import render_text

_console = Console()
_PAGES_SHOWN = 5  # use cases whose pages `up` prints
_WITHOUT_INVALID = (
    "Every valid use case is deployed. The invalid ones keep their deployments in prefect.yaml, "
    "and their runs fail with this message. Correct the files, then run "
    "mainspring deployments --write"
)


def up(
    schedules: Annotated[
        bool | None,
        typer.Option(
            help="Let the deployments run on their schedules (default: yes, but not for the demo)."
        ),
    ] = None,
) -> None:
    """Start Prefect, MLflow, the reports' server and a worker; apply the deployments.

    An invalid use case stops no other one. It is named, and the exit code is 1.
    """
    from infra import stack
    from infra.prediction_servers import is_prediction_server

    _print("state folder ", (str(settings().state), "cyan"))
    with _console.status("starting the servers (the first time takes a minute)"):
        running = stack.up(
            schedules=settings().state != demo_folder() if schedules is None else schedules
        )
    addresses = Table.grid(padding=(0, 2))
    for name, address in running.addresses.items():
        link = address if is_prediction_server(name) else _build_link(address)
        addresses.add_row(name, render_text(link, f"link {link}"))
    for name, link in _list_use_case_pages(running.addresses).items():
        addresses.add_row(name, render_text(link, f"link {link}"))
    _console.print(addresses)
    _write_overviews()
    _print_client_variables()
    _print_missing_blocks(running.missing_blocks)
    state = f"MAINSPRING_STATE={settings().state}"
    _print("stop them with ", (f"{state} mainspring down", "bold"))
    all_use_cases().require_all(_WITHOUT_INVALID)


def _list_use_case_pages(addresses: Mapping[str, str]) -> dict[str, str]:
    """Return the pages of each use case at the servers that run; of many, the way to find them.

    MLflow's own first page is that of another product.
    """
    names = [each.name for each in all_use_cases().sound]
    if len(names) > _PAGES_SHOWN:
        return {f"{len(names)} use cases": "mainspring open <use case> prints their pages"}
    pages = {}
    for name in names:
        if "Reports" in addresses:
            pages[f"{name}, overview"] = f"{addresses['Reports']}/{name}/index.html"
        if "MLflow" in addresses:
            pages[f"{name} in MLflow"] = build_model_url(name)
        pages[f"{name} in Prefect"] = _build_deployments_link(name)
    return pages


def _build_deployments_link(use_case: str) -> str:
    return f"{settings().prefect_url}/deployments?tags={use_case}"


def down() -> None:
    """Stop what `mainspring up` started, and nothing else; runs have 30 seconds to end."""
    from infra import stack

    with _console.status(f"waiting for runs to end, at most {stack.DRAIN_TIMEOUT:.0f} s"):
        stopped = stack.down()
    nothing = f"nothing started by mainspring up was running for {settings().state}"
    _print("stopped " + ", ".join(stopped.processes) if stopped.processes else nothing)
    if stopped.ended_runs:
        _print(f"{stopped.ended_runs} runs did not end in time and are marked as crashed")


def deploy(
    schedules: Annotated[
        bool, typer.Option(help="Let the deployments run on their schedules.")
    ] = True,
) -> None:
    """Apply work pool, deployments and automations to the server at `PREFECT_API_URL`."""
    from infra import deploy
    from tasks.ledger.log import open_ledger

    open_ledger().prepare()  # fails here, and not in the first run, if its database is missing
    _print_missing_blocks(deploy.deploy(schedules=schedules))
    _print(f"deployed to {os.environ['PREFECT_API_URL']}")


def deployments(
    write: Annotated[
        bool, typer.Option("--write", help="Write prefect.yaml instead of comparing it.")
    ] = False,
) -> None:
    """Compare prefect.yaml with the use cases' YAML files, or write it.

    An invalid use case keeps its deployments. It is named, and the exit code is 1.
    """
    from infra import deployments as generated

    if write:
        generated.write_deployments()
        _console.print("wrote prefect.yaml")
    elif generated.deployments_are_current():
        _console.print("prefect.yaml is up to date")
    else:
        _console.print("prefect.yaml is out of date: run mainspring deployments --write")
        raise typer.Exit(1)
    all_use_cases().require_all(_WITHOUT_INVALID)


def _write_overviews() -> None:
    """Write the pages of all models, with links to the servers that run now."""
    from tasks.overview.write import write_all_overviews

    with _console.status("writing the overview"):
        failed = write_all_overviews(None)
    for name, error in failed.items():
        _print((f"overview of {name} cannot be written", "yellow"), f": {error}")


def open_pages(
    use_case: AnyName = None,
    browser: Annotated[bool, typer.Option(help="Open the first page in a browser.")] = True,
    as_json: AsJson = False,
) -> None:
    """Print the addresses of the servers and of a use case's pages, and open the first one."""
    from infra import environment

    servers = {"Prefect": settings().prefect_url, "MLflow": settings().mlflow_url}
    links = {name: _build_link(page) for name, page in servers.items()}  # they sign a browser in
    for name in [use_case] if use_case else [each.name for each in all_use_cases().sound]:
        links[f"{name} in MLflow"] = build_model_url(name)
        links[f"{name} in Prefect"] = _build_deployments_link(name)
    if as_json:
        print_json(links)
        return
    for name, link in links.items():
        _print(f"{name}: ", (link, f"link {link}"))
    if not environment.join_server():
        raise CannotStart(f"no server responds at {settings().prefect_url}; start it with make up")
    if browser and _console.is_terminal:
        typer.launch(next(iter(links.values())))


def notify(
    what: Annotated[Literal["test"], typer.Argument(help="Send a test.")], name: Name
) -> None:
    """Send a test notification through every block that a use case's YAML names."""
    from infra import environment
    from tasks.orchestration.notification_blocks import send_notification

    case = load_use_case(name)
    if not case.notify:
        raise BadConfig(f"{case.name}: `notify` is not set in its YAML; name a block there")
    if not environment.join_server():
        raise CannotStart(f"no server responds at {settings().prefect_url}; start it with make up")
    failed = {}
    for each in case.notify:
        severities = ", ".join(each.severities)
        subject = f"[{what}] {case.name}: a test of {each.block}"
        body = f"{case.title}\nThis block gets notifications of severity {severities}."
        try:
            send_notification(each.block, subject, body)
        except Exception as error:  # noqa: BLE001 - any webhook may fail in its own way
            failed[each.block] = str(error).partition("\n")[0]
        else:
            _print(f"{each.block}: sent; it gets {severities}")
    if failed:
        raise BadConfig("; ".join(f"{block}: {why}" for block, why in failed.items()))


def _build_link(address: str) -> str:
    """Return the link that signs a browser in; without the token if a file gets what is printed."""
    from infra.servers.credentials import read_token
    from infra.servers.guard import sign_in_link

    return sign_in_link(address, read_token() if _console.is_terminal else "")


def _print_client_variables() -> None:
    """Print the variables for Prefect's own commands; the shell reads the token from its file."""
    from infra.servers.credentials import USER, token_file

    _print(f"the token is {'MAINSPRING_TOKEN' if settings().token else f'in {token_file()}'}")
    token = "$MAINSPRING_TOKEN" if settings().token else f"$(cat {shlex.quote(str(token_file()))})"
    auth = f'PREFECT_API_AUTH_STRING="{USER}:{token}"'
    variables = f"export PREFECT_API_URL={settings().prefect_url}/api {auth}"
    _print("for Prefect's own commands: ", (variables, "bold"))


def _print_missing_blocks(blocks: Iterable[str]) -> None:
    for block in blocks:
        missing = (f"block {block} not found", "yellow")
        _print(missing, ": create it in Prefect, then run this command again")


def _print(*parts: str | tuple[str, str]) -> None:
    """Print texts, each alone or with its style, on one line however long it is."""
    styled = [(part, "") if isinstance(part, str) else part for part in parts]
    _console.print(Text.assemble(*(render_text(*part) for part in styled)), soft_wrap=True)
