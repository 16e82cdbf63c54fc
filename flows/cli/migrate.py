"""The `migrate` command: changes of column types, planned and applied."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.cli.options import By, Name
from tasks.reporting.table import build_table
from tasks.reporting.terminal import render_terminal


def migrate(
    use_case: Name,
    by: By,
    apply: Annotated[
        bool, typer.Option("--apply", help="Change the lake; without it only the plan is shown.")
    ] = False,
) -> None:
    """Give the columns of the lake the types that the YAML declares.

    A type changes only if every value stays the same. The features of changed rows are built again,
    and older versions of a table keep their types.
    """
    from tasks.ingestion.lake_types import describe_type
    from tasks.ingestion.schema_migration import apply_migration, plan_migration
    from tasks.ledger.log import open_ledger

    console, case = Console(), load_use_case(use_case)
    plan = plan_migration(case)
    columns = ["table", "column", "in the lake", "in the YAML", "rows", "cannot hold"]
    rows = [
        (c.table, c.column, describe_type(c.held), describe_type(c.declared), c.rows, c.example)
        for c in plan
    ]
    if not plan:
        console.print("the lake has the column types of the YAML")
    else:
        console.print(render_terminal(build_table(columns, rows)))
    if apply:
        apply_migration(open_ledger(), case, plan, utc_or_now(), by)
        if plan:
            console.print(f"{len(plan)} columns have their new types")
    elif plan:
        console.print(f"nothing was changed: run mainspring migrate {use_case} --apply")
    if any(change.example is not None for change in plan):
        raise typer.Exit(1)
