"""The commands on single rows: quarantine, release, repair, erase."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.cli.options import AsJson, By, Name, Reason, print_json
from tasks.reporting.table import build_record_table
from tasks.reporting.terminal import render_terminal, render_text

Table = Annotated[str | None, typer.Option(help="Landed table (default: all).")]
Rule = Annotated[str | None, typer.Option(help="Broken rule, as `quarantine` shows it.")]
File = Annotated[str | None, typer.Option(help="Landed file, as `quarantine` shows it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
EXAMPLES = 5

console = Console()


def quarantine(
    use_case: Name,
    table: Table = None,
    rule: Rule = None,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Show the rows in quarantine by rule: how many, since when, and an example."""
    from tasks.row_changes.release import QuarantineFilter, count_open_rows

    counts = count_open_rows(load_use_case(use_case), QuarantineFilter(table, rule, file))
    if counts.is_empty() and not as_json:
        console.print("no row is in quarantine")
        return
    records = [
        {
            "table": each["table"],
            "rule": each["rule"],
            "rows": each["rows"],
            "files": each["files"],
            "since": each["since"],
            "file": each["path"],
            "example": each["example"],
        }
        for each in counts.to_dicts()
    ]
    if as_json:
        print_json(records)
        return
    console.print(render_terminal(build_record_table(records, "rows in quarantine"), lines=True))
    console.print("`mainspring release` takes those that today's suite accepts")


def release(
    use_case: Name,
    reason: Reason,
    by: By,
    table: Table = None,
    rule: Rule = None,
    file: File = None,
) -> None:
    """Take rows out of quarantine that today's suite accepts; they keep their own known time.

    Rows that were repaired out of raw are released only with --rule repaired.
    """
    from tasks.ledger.log import open_ledger
    from tasks.row_changes.release import QuarantineFilter, release_rows

    case, choice = load_use_case(use_case), QuarantineFilter(table, rule, file)
    for done in release_rows(open_ledger(), case, choice, utc_or_now(), by, reason):
        staying = "".join(f"; {rows} stay: {why}" for why, rows in done.staying.items())
        console.print(render_text(f"{done.table}: {done.released} rows released{staying}"))
    console.print("the next ingest builds their features")


def repair(
    use_case: Name,
    table: Annotated[str, typer.Option(help="Landed table.")],
    where: Annotated[str, typer.Option(help="SQL condition on its columns, like \"a = 'b'\".")],
    reason: Reason,
    by: By,
    dry_run: DryRun = False,
) -> None:
    """Move single rows from raw to quarantine; the next ingest builds the features without them."""
    from tasks.ledger.log import open_ledger
    from tasks.row_changes.repair import choose_raw_rows, repair_rows

    case = load_use_case(use_case)
    if dry_run:
        choice = choose_raw_rows(case, table, where)
        rows = choice.rows.select(list(case.tables[table].columns)).head(EXAMPLES).to_dicts()
        console.print(render_terminal(build_record_table(rows, f"examples of {table}")))
        console.print(f"{choice.rows.height} rows would be repaired, {choice.others} would stay")
        return
    moved = repair_rows(open_ledger(), case, table, where, utc_or_now(), by, reason)
    console.print(f"{moved} rows of {table} moved to quarantine as `repaired`")


def erase(
    use_case: Name,
    key: Annotated[str, typer.Option(help="Columns and values, like tailnum=N123.")],
    reason: Reason,
    by: By,
    dry_run: DryRun = False,
    landed: Annotated[
        bool, typer.Option("--files", help="Also remove the landed files that hold the key.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Erase all rows of a key for good: raw, quarantine, predictions, requests, older versions.

    Golden rows of model versions are erased too. The models stay, but can no longer be reproduced
    from the rows that are gone.
    """
    from tasks.ledger.log import open_ledger
    from tasks.row_changes.erase import (
        erase_key,
        parse_erase_key,
        plan_erasure,
        remove_landed_files,
    )

    case, book, now = load_use_case(use_case), open_ledger(), utc_or_now()
    plan = plan_erasure(book, case, parse_erase_key(key), now)
    logged = {f"requests: {name}": rows for name, rows in plan.requests.rows.items()}
    for name, rows in {**plan.rows, **logged}.items():
        console.print(render_text(f"{name}: {rows} rows, and all older versions of the table"))
    console.print("feature tables are built again; their older versions are removed")
    for version in plan.golden:
        removed = version.problem or f"{version.rows} golden rows"
        console.print(render_text(f"version {version.version}: {removed}"))
    stay = "are removed" if landed else "stay, remove them or use --files"
    for path in (*plan.files, *plan.requests.files):
        console.print(render_text(f"landed file {path}: {stay}" if landed else f"{path}: {stay}"))
    if dry_run or not (yes or typer.confirm("erase them for good?")):
        console.print("nothing was erased")
        return
    erase_key(book, case, plan, now, by, reason)
    if landed:
        remove_landed_files(case, plan)
    console.print("erased; `materialize` fills the online store again")
