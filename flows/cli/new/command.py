"""Command `mainspring new`: a use case from sample files, by flags or by answers to questions."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.text import Text

from configs.errors import BadConfig
from configs.schema.loading import all_use_cases
from configs.settings import settings
from flows.cli.new.questions import Questions
from tasks.reporting.table import Table, build_table
from tasks.reporting.terminal import render_terminal, render_text

if TYPE_CHECKING:
    from tasks.scaffold.plan import AskQuestion, ScaffoldPlan


_OF_A_TABLE = "As table=column: the column with"


def new(
    name: Annotated[str, typer.Argument(help="Name of the new use case.")],
    table: Annotated[
        list[str] | None,
        typer.Option(help="As table=files, CSV or Parquet samples: orders='samples/orders*.csv'."),
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option(help="As table=column,column: the columns that identify a row."),
    ] = None,
    event_time: Annotated[
        list[str] | None, typer.Option(help=f"{_OF_A_TABLE} the time when it happened.")
    ] = None,
    known_time: Annotated[
        list[str] | None, typer.Option(help=f"{_OF_A_TABLE} the time when you knew it.")
    ] = None,
    known_from: Annotated[
        list[str] | None,
        typer.Option(help="As table=2013-01-31: the day that a table without times is known from."),
    ] = None,
    join: Annotated[
        list[str] | None,
        typer.Option(help="As table=column,column: the columns that join it to predicted rows."),
    ] = None,
    predict: Annotated[str, typer.Option(help="The table whose rows are predicted.")] = "",
    label: Annotated[str, typer.Option(help="The predicted column, as table.column.")] = "",
    kind: Annotated[
        Literal["binary", "regression", "multiclass"] | None,
        typer.Option(help="Problem type; the default depends on the label's values."),
    ] = None,
    positive: Annotated[
        str, typer.Option(help="The label's value that is the event, or a bound like >300.")
    ] = "",
    after: Annotated[
        str, typer.Option(help="Time from a prediction until its label is known, like 30d.")
    ] = "",
    ahead: Annotated[
        str, typer.Option(help="Predict this long before the event, like 2h, known or not.")
    ] = "",
    zone: Annotated[
        str, typer.Option(help="Zone of times without one, like Europe/Amsterdam.")
    ] = "",
    old_predictions: Annotated[
        str, typer.Option(help="Column of predictions in use today, to beat: table.column.")
    ] = "",
    schedule: Annotated[
        Literal["hourly", "daily", "weekly"], typer.Option(help="How often rows are scored.")
    ] = "daily",
    trial: Annotated[
        bool, typer.Option(help="Run the sample through it before anything is kept.")
    ] = True,
) -> None:
    """Create a use case from sample files: YAML, feature module, expectations and test.

    In a terminal, the command asks for what no flag gives; elsewhere it uses the proposals from the
    samples. It runs the whole sample through what it wrote, from landing to training, and keeps
    nothing if a step fails. It never overwrites a file. If it is interrupted, it removes what it
    wrote, at the latest when it runs again.
    """
    from flows.cli.new.trial import try_use_case
    from infra import deployments
    from tasks.scaffold.plan import GivenAnswers
    from tasks.scaffold.render import render_files
    from tasks.scaffold.resolution.resolve import make_plan
    from tasks.scaffold.time_spans import choose_time_spans
    from tasks.scaffold.write_files import remove_unfinished, require_free_names, write_use_case

    console = Console()
    root = settings().use_cases.resolve().parent
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,29}", name) or keyword.iskeyword(name):
        raise BadConfig(
            f"the use case's name {name!r} is invalid. Use up to 30 small letters, digits and _, "
            "but no Python keyword"
        )
    remove_unfinished(root, name)  # files of a process that was killed
    require_free_names(root, name)
    questions = Questions(console) if sys.stdin.isatty() else None
    ask = questions or _use_proposal
    tables = _parse_pairs("--table", table) or _ask_tables(ask)
    answers = GivenAnswers(
        name=name, tables=tables, keys=_parse_pairs("--keys", keys),
        event_time=_parse_pairs("--event-time", event_time),
        known_time=_parse_pairs("--known-time", known_time),
        known_from=_parse_pairs("--known-from", known_from), join=_parse_pairs("--join", join),
        predict=predict, label=label, kind=kind, positive=positive, after=after, ahead=ahead,
        zone=zone, old_predictions=old_predictions, schedule=schedule,
    )  # fmt: skip
    plan = (
        questions.repeat(lambda: make_plan(answers, ask)) if questions else make_plan(answers, ask)
    )
    files = render_files(plan)
    with write_use_case(root, name, files):
        if trial:
            samples = {table.name: table.sample.paths for table in plan.tables.values()}
            with console.status("trying the use case on its sample, up to a model"):
                training = try_use_case(root, name, samples, choose_time_spans(plan).end)
            console.print(render_text(training))
        deployments.write_deployments()
    _print_result(console, plan, list(files), root)


def _print_result(console: Console, plan: ScaffoldPlan, files: list[str], root: Path) -> None:
    """Print the plan, the written files and the next steps."""
    console.print(render_terminal(_tabulate_plan(plan)))
    for path in [*files, "prefect.yaml"]:
        console.print(Text.assemble("wrote ", render_text(path, "cyan")))
    for error in all_use_cases().broken.values():
        console.print("[yellow]another use case is invalid; its deployments were not changed:[/]")
        console.print(render_text(str(error)))
    samples = root / "tests" / "use_cases" / plan.name
    note = f"{samples} contains rows of your sample: read them before a commit"
    console.print(render_text(note, "yellow"))
    console.print(f"next: [bold]mainspring check {plan.name}[/], then docs/your-own.md")


def _tabulate_plan(plan: ScaffoldPlan) -> Table:
    """Return the plan of each table, a table a row."""
    columns = ("table", "keys", "event time", "known time", "joined by", "inputs", "left out")
    rows = []
    for table in plan.tables.values():
        known = f"from {table.known_from:%Y-%m-%d}" if table.known_from else table.known
        cells = (
            table.name, ", ".join(table.keys), "" if table.known_from else table.event, known,
            ", ".join(table.join), str(len(table.inputs)), ", ".join(table.left_out),
        )  # fmt: skip
        rows.append(cells)
    return build_table(columns, rows)


def _parse_pairs(flag: str, values: list[str] | None) -> dict[str, str]:
    """Return a flag's values by table."""
    pairs = [value.partition("=") for value in values or []]
    for name, equals, value in pairs:
        if not equals or not value:
            raise BadConfig(f"{flag} {name}: the value is incomplete. Write {flag} table=…")
    return {name.strip(): value for name, _, value in pairs}


def _ask_tables(ask: AskQuestion) -> dict[str, str]:
    """Ask for tables and their files, until no name is given."""
    tables: dict[str, str] = {}
    question = "Name of a table (empty: no further table)"
    while name := ask("--table name=files", question, "" if tables else "rows"):
        tables[name] = ask(f"--table {name}=…", f"Sample files of {name}", f"{name}.csv")
        if ask is _use_proposal:
            _require_proposed(tables[name])
            break
    return tables


def _require_proposed(file: str) -> None:
    """Raise BadConfig if the file that is taken without a question does not exist."""
    if not Path(file).exists():
        raise BadConfig(
            "--table is missing, and without a terminal it is not asked for. Give --table "
            f"name=files, like --table rows={file}"
        )


def _use_proposal(flag: str, question: str, proposal: str) -> str:
    """Answer a question by the proposal, where there is no terminal."""
    if not proposal:
        raise BadConfig(f"{flag} is missing ({question}), and the sample suggests no value for it")
    return proposal
