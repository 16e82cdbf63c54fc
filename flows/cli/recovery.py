"""The commands `recover` and `retire`: a lost champion is replaced, a use case ends."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.cli.options import By, Name, Reason
from tasks.reporting.formats import format_moment
from tasks.reporting.terminal import render_text

_console = Console()


def recover(
    use_case: Name,
    by: By,
    as_of: Annotated[
        datetime | None,
        typer.Option(help="When it takes effect, UTC (default: after the last prediction)."),
    ] = None,
) -> None:
    """Replace a champion whose files are lost or changed by the newest one that can be proved.

    Proved means that the files have the digests that the ledger recorded. A version that MLflow
    lost is registered again if its files are still there. Lost candidates are refused. Nothing
    changes if all files are intact.
    """
    from tasks.ledger.log import open_ledger
    from tasks.lifecycle.champion_alias import sync_champion_alias
    from tasks.lifecycle.recover import recover_champion

    case, at = load_use_case(use_case), None if as_of is None else utc_or_now(as_of)
    recovery = recover_champion(open_ledger(), case, at, utc_or_now(), by)
    sync_champion_alias(open_ledger(), case.name)
    for version in recovery.restored:
        _console.print(f"version {version} was not in MLflow and is registered again")
    for reason in recovery.lost.values():
        _console.print(render_text(f"lost: {reason}"))
    for entry in recovery.refused:
        _console.print(f"version {entry.version} was a candidate and is refused")
    if recovery.champion is None:
        _console.print(
            f"no version is champion: run `mainspring run train {case.name}`; the gate judges it "
            "as the first one"
        )
    elif recovery.entry is None:
        _console.print(f"version {recovery.champion} is champion, and its files are intact")
    else:
        moment = format_moment(recovery.entry.at)
        _console.print(f"version {recovery.champion} is champion again from {moment} UTC on")


def retire(
    use_case: Name,
    reason: Reason,
    by: By,
) -> None:
    """End a use case: no deployment runs it any longer, and its history stays readable.

    The YAML file is renamed, and the deployments are deleted from the server if one runs. Ledger,
    lake and models stay.
    """
    from infra import environment
    from tasks.ledger.log import open_ledger
    from tasks.lifecycle.retire import retire_use_case, retired_file
    from tasks.orchestration.flow_runs import delete_deployments

    entry = retire_use_case(open_ledger(), use_case, utc_or_now(), by, reason)
    when = format_moment(entry.at)
    _console.print(render_text(f"{use_case} is retired since {when} UTC, by {entry.actor}"))
    _console.print(render_text(f"its YAML file is {retired_file(use_case)}"))
    deleted = delete_deployments(use_case) if environment.join_server() else 0
    _console.print(f"{deleted} deployments deleted; run mainspring deployments --write")
    _console.print(render_text(f"its ledger stays: mainspring history {use_case}"))
