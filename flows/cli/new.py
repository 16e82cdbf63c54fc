"""`mainspring new`: a use case from sample files, by flags or by answering questions."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from configs.errors import BadConfig
from configs.schema.loading import all_use_cases
from configs.settings import settings

if TYPE_CHECKING:
    from tasks.scaffold.plan import AskQuestion, ScaffoldPlan


_OF_A_TABLE = "As table=column"


def new(
    name: Annotated[str, typer.Argument(help="What the use case shall be called.")],
    table: Annotated[
        list[str] | None,
        typer.Option(help="As table=sample files, CSV or Parquet: orders='samples/orders*.csv'."),
    ] = None,
    keys: Annotated[
        list[str] | None, typer.Option(help="As table=column,column: what names a row.")
    ] = None,
    event_time: Annotated[
        list[str] | None, typer.Option(help=f"{_OF_A_TABLE}: when it happened.")
    ] = None,
    known_time: Annotated[
        list[str] | None, typer.Option(help=f"{_OF_A_TABLE}: when you knew it.")
    ] = None,
    known_from: Annotated[
        list[str] | None,
        typer.Option(help="As table=2013-01-31, of a table without times: known since then."),
    ] = None,
    join: Annotated[
        list[str] | None,
        typer.Option(help="As table=column,column: by what a predicted row finds its rows."),
    ] = None,
    predict: Annotated[str, typer.Option(help="The table whose rows are predicted.")] = "",
    label: Annotated[str, typer.Option(help="What is predicted, as table.column.")] = "",
    kind: Annotated[
        Literal["binary", "regression", "multiclass"] | None,
        typer.Option(help="Yes or no, a number, or one of several; default: what it looks like."),
    ] = None,
    positive: Annotated[str, typer.Option(help="The label's value that is the event.")] = "",
    after: Annotated[
        str, typer.Option(help="How long after its prediction a label is known, like 30d.")
    ] = "",
    schedule: Annotated[
        Literal["hourly", "daily", "weekly"], typer.Option(help="How often it is scored.")
    ] = "daily",
) -> None:
    """Write a use case: YAML, feature module, expectations and test, from sample files.

    What no flag says is asked, or taken from the samples where nobody can answer. No file is ever
    overwritten; stopped half-way, it leaves none, or takes away at the next try what it left.
    """
    from infra import deployments
    from tasks.scaffold.plan import GivenAnswers
    from tasks.scaffold.resolve import make_plan
    from tasks.scaffold.write_files import (
        remove_unfinished,
        render_files,
        require_free_names,
        write_use_case,
    )

    console = Console()
    root = settings().use_cases.resolve().parent
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,29}", name) or keyword.iskeyword(name):
        raise BadConfig(f"{name!r}: a use case's name is up to 30 small letters, digits and _")
    remove_unfinished(root, name)  # what was killed half-way
    require_free_names(root, name)
    ask = _asking(console) if sys.stdin.isatty() else _proposed
    tables = _pairs("--table", table) or _tables(ask)
    given = GivenAnswers(
        name=name, tables=tables, keys=_pairs("--keys", keys),
        event_time=_pairs("--event-time", event_time),
        known_time=_pairs("--known-time", known_time),
        known_from=_pairs("--known-from", known_from), join=_pairs("--join", join),
        predict=predict, label=label, kind=kind, positive=positive, after=after, schedule=schedule,
    )  # fmt: skip
    plan = make_plan(given, ask)
    files = render_files(plan)
    with write_use_case(root, name, files):
        deployments.write()
    _tell(console, plan, list(files), root)


def _tell(console: Console, plan: ScaffoldPlan, files: list[str], root: Path) -> None:
    """Say what was written, what not, and what to do next."""
    console.print(_understood(plan))
    for path in [*files, "prefect.yaml"]:
        console.print(f"wrote [cyan]{path}[/]")
    for wrong in all_use_cases().broken.values():
        console.print("[yellow]another use case, which keeps the deployments that it had:[/]")
        console.print(str(wrong), markup=False, highlight=False)
    kept = f"tests/use_cases/{plan.name}"
    console.print(f"[yellow]{root / kept} holds rows of your sample: look before you commit[/]")
    console.print(f"next: [bold]mainspring check {plan.name}[/], then docs/your-own.md")


def _understood(plan: ScaffoldPlan) -> Table:
    """The tables as they were understood."""
    shown = Table("table", "keys", "happened", "known", "joined by", "inputs", "left out")
    for table in plan.tables.values():
        since = f"from {table.known_from:%Y-%m-%d}" if table.known_from else table.known
        shown.add_row(
            table.name, ", ".join(table.keys), "" if table.known_from else table.event, since,
            ", ".join(table.join), str(len(table.inputs)), ", ".join(table.left_out),
        )  # fmt: skip
    return shown


def _pairs(flag: str, given: list[str] | None) -> dict[str, str]:
    """What a flag says of each table."""
    pairs = [each.partition("=") for each in given or []]
    for name, equals, value in pairs:
        if not equals or not value:
            raise BadConfig(f"{flag} {name}: write it as table=…")
    return {name.strip(): value for name, _, value in pairs}


def _tables(ask: AskQuestion) -> dict[str, str]:
    """The tables that a person names, until no more are named."""
    tables: dict[str, str] = {}
    while name := ask("--table name=files", "a table (enter: no more)", "" if tables else "rows"):
        tables[name] = ask(f"--table {name}=…", f"sample files of {name}", f"{name}.csv")
        if ask is _proposed:
            break
    return tables


def _proposed(flag: str, question: str, proposal: str) -> str:
    """Nobody is there to answer: what the sample proposes."""
    if not proposal:
        raise BadConfig(f"{flag}: {question.rstrip('?')}? Nothing can be proposed; give the flag")
    return proposal


def _asking(console: Console) -> AskQuestion:
    def ask(_flag: str, question: str, proposal: str) -> str:
        return str(typer.prompt(question, default=proposal, show_default=bool(proposal)))

    console.print("[dim]enter takes what stands in brackets[/]")
    return ask
