"""The `mainspring` command: what a person may ask of a use case, and the demo."""

from __future__ import annotations

import functools
import getpass
import os
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from configs.clock import utc_or_now
from configs.errors import MainspringError
from configs.schema.loading import all_use_cases, load_use_case
from configs.settings import settings
from flows.cli.new import new
from flows.cli.replay import replay
from flows.cli.servers import deploy, deployments, down, up

app = typer.Typer(
    help="Keeps a tabular model good in production, on its own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

console = Console()
Name = Annotated[str, typer.Argument(help="The use case: a file of configs/ without .yaml.")]
Version = Annotated[int, typer.Argument(help="A version of its model.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept in the ledger.")]
By = Annotated[str, typer.Option(default_factory=getpass.getuser, help="Who says so.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
AsOf = Annotated[datetime | None, typer.Option(help="From which moment on, UTC (default: now).")]


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Register a command that shows Mainspring's own errors as a message and exit code 1."""

    @functools.wraps(function)
    def guarded(*args: object, **kwargs: object) -> None:
        try:
            function(*args, **kwargs)
        except MainspringError as error:
            console.print(f"[bold red]{type(error).__name__}[/]", end=" ")
            console.print(str(error), markup=False, highlight=False)
            raise typer.Exit(1) from error

    return app.command()(guarded)


command(up)
command(down)
command(deploy)


@command
def check(use_case: Name) -> None:
    """Check a use case without side effects: YAML, suites, Feast, features on real rows."""
    from tasks.checks.use_case import check_use_case as checks

    failed = 0
    for finding in checks(use_case):
        mark = {"ok": "[green]✓[/]", "skipped": "[yellow]–[/]", "wrong": "[red]✗[/]"}
        console.print(mark[finding.verdict], f"[bold]{finding.what}[/]", end=" ")
        console.print(finding.detail, markup=False, highlight=False)
        failed += finding.verdict == "wrong"
    if failed:
        raise typer.Exit(1)


command(new)


@command
def status(
    use_case: Annotated[str | None, typer.Argument(help="One use case (default: all).")] = None,
) -> None:
    """Show the champion, the last windows and the open episodes."""
    from flows.cli.views.ledger import status_view

    if use_case:
        console.print(status_view(load_use_case(use_case)))
        return
    found = all_use_cases()
    for each in found.sound:
        console.print(status_view(each))
    found.require_all("The others are above.")


@command
def history(
    use_case: Name,
    full: Annotated[bool, typer.Option(help="Print each entry's evidence as JSON.")] = False,
    gates: Annotated[bool, typer.Option(help="Print each decision's table of gates.")] = False,
) -> None:
    """Show the ledger: what happened to a model, when, by whom, on what evidence."""
    from flows.cli.views.ledger import history_view

    console.print(history_view(load_use_case(use_case).name, full=full, gates=gates))


@command
def promote(use_case: Name, version: Version, reason: Reason, by: By, as_of: AsOf = None) -> None:
    """Make a version champion around the gate; the bake window watches it like any other."""
    from tasks.ledger.log import open_ledger
    from tasks.promotion.champion_alias import sync_champion_alias
    from tasks.promotion.manual_promotion import promote_manually

    case = load_use_case(use_case)
    entry = promote_manually(open_ledger(), case, version, utc_or_now(as_of), by, reason)
    sync_champion_alias(open_ledger(), use_case)
    until = entry.evidence.get("bake_until")
    watched = f", watched until {until:.16}" if until else ""
    console.print(f"version {version} is champion from {entry.at:%Y-%m-%d %H:%M} UTC on{watched}")


@command
def rollback(
    use_case: Name,
    reason: Reason,
    by: By,
    as_of: AsOf = None,
    further: Annotated[
        bool, typer.Option("--further", help="Also after a rollback: one champion more back.")
    ] = False,
) -> None:
    """Bring the champion before back; needs the ledger and the registry, no server and no data."""
    from tasks.ledger.log import open_ledger
    from tasks.promotion.champion_alias import sync_champion_alias
    from tasks.promotion.rollback import roll_back_by_hand

    name = load_use_case(use_case).name
    entry = roll_back_by_hand(open_ledger(), name, utc_or_now(as_of), by, reason, further=further)
    version = sync_champion_alias(open_ledger(), name)
    if entry is None:
        console.print(f"somebody else was faster: version {version} is champion now")
    else:
        console.print(f"version {version} reigns again from {entry.at:%Y-%m-%d %H:%M} UTC on")


@command
def approve(use_case: Name, version: Version, reason: Reason, by: By) -> None:
    """Let a version in that passed the gate and waits for a person."""
    _answer(use_case, version, by, reason, yes=True)


@command
def reject(use_case: Name, version: Version, reason: Reason, by: By) -> None:
    """Refuse a version that passed the gate and waits for a person."""
    _answer(use_case, version, by, reason, yes=False)


def _answer(use_case: str, version: int, by: str, reason: str, *, yes: bool) -> None:
    from infra import environment
    from tasks.ledger.log import open_ledger
    from tasks.promotion.approval import ApprovalAnswer, record_approval, resume_approval_run

    name = load_use_case(use_case).name
    answer = ApprovalAnswer(approve=yes, by=by, why=reason)
    entry, mine = record_approval(open_ledger(), name, version, answer, utc_or_now())
    said = "" if mine else " already"
    console.print(f"version {version} was {entry.what} by {entry.actor}{said}")
    if not (environment.join() and resume_approval_run(entry)):
        console.print("no run waits for it: the next reconcile goes on from the ledger")


@command
def explain(
    use_case: Name,
    key: Annotated[
        str,
        typer.Argument(
            help="Which prediction: the values of spine.keys in order, a/b/2013-07-04, or by name, "
            "key=a,other=b,… A wrong one is answered with one that exists."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Say why a prediction came out as it did: model, inputs and their times, contributions.

    A contribution is what an input adds to the answer (in points of probability, of classes that of
    the decided one, or in the label's unit), against the version's own background rows (Shapley
    values). The other models' answers to the same row are beside it.
    """
    from flows.cli.views.explanation import explanation_view
    from tasks.scoring.explain import explain_prediction as explanation_of

    case = load_use_case(use_case)
    with console.status("reading the row as it was known"):
        found = explanation_of(case, key, utc_or_now())
    if as_json:
        console.print_json(data=asdict(found), default=str)
    else:
        console.print(explanation_view(found))


@command
def reproduce(use_case: Name, version: Version, as_json: AsJson = False) -> None:
    """Train a version again from what its card recorded, and compare the answers.

    Tables are read at the recorded versions, the code is taken out of git at the recorded
    revision, and nothing is written or registered. Exit code 1 if the answers differ.
    """
    from flows.cli.views.explanation import reproduction_view
    from tasks.training.reproduce import as_dict
    from tasks.training.reproduce import reproduce_version as again

    case = load_use_case(use_case)
    with console.status("opening the version") as status:
        found = again(case, version, lambda step: status.update(f"{step} …"))
    if as_json:
        console.print_json(data=as_dict(found))
    else:
        console.print(reproduction_view(found))
    if not found.equal:
        raise typer.Exit(1)


command(deployments)


@command
def demo(
    use_case: Annotated[
        str | None, typer.Argument(help="A use case with a demo section (default: the first one).")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Stop early, on a day like 2013-07-01.")] = None,
    state: Annotated[Path | None, typer.Option(help="Folder that the demo may erase.")] = None,
) -> None:
    """Play the whole loop on real data: land, ingest, train, promote, then week after week."""
    # before Prefect is imported: a terminal wants progress, the UI has every line
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "ERROR")
    from flows.cli.demo import play, playable

    if not play(console, use_case or playable(), until, state or settings().state / "demo"):
        raise typer.Exit(1)


command(replay)


if __name__ == "__main__":
    app()
