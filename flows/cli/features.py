"""Commands of the feature tables: rebuild one in history, and Feast's own command line."""

from __future__ import annotations

from typing import Annotated

import typer

from configs.errors import NoRows
from configs.schema.loading import load_use_case
from flows.cli.options import Name, read_user_name

PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True}


def rebuild(
    use_case: Name,
    view: Annotated[str, typer.Argument(help="View whose feature table is rebuilt.")],
    reason: Annotated[str, typer.Option(help="Reason, recorded in the table's commit.")],
    by: Annotated[str, typer.Option(default_factory=read_user_name, help="Your name.")],
) -> None:
    """Rebuild a feature table in history, also if the champion then reads other values.

    An ingest run rebuilds a changed view by itself, as long as the champion reads the same values.
    """
    from tasks.features.raw_tables import EARLIEST
    from tasks.features.refresh import rebuild_view
    from tasks.storage.lake import open_lake

    case = load_use_case(use_case)
    lake, table = open_lake(case.name), f"features/{view}"
    if not lake.exists(table):
        raise NoRows(
            f"{lake.uri(table)} does not exist: run mainspring run ingest {case.name} first"
        )
    rebuild_view(case, view, EARLIEST, {"by": by, "reason": reason})
    typer.echo(f"{table} was rebuilt in history: version {lake.version(table)}")


def feast(use_case: Name, context: typer.Context) -> None:
    """Run Feast's own command line for a use case, like `mainspring feast flights plan`."""
    from tasks.features.feast_command import run_feast_command

    code = run_feast_command(load_use_case(use_case), context.args)
    if code:
        raise typer.Exit(code)
