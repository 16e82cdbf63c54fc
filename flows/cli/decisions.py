"""The commands that decide: promote, rollback, approve and reject."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from configs.clock import utc_or_now
from configs.errors import BadConfig
from configs.schema.loading import load_use_case
from flows.cli.options import AsOf, By, Name, Reason, Version
from tasks.ledger.descriptions import read_bake_end, read_reason
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import find_decision
from tasks.reporting.formats import format_moment
from tasks.reporting.terminal import render_text

_console = Console()


def promote(
    use_case: Name,
    version: Version,
    reason: Reason,
    by: By,
    as_of: AsOf = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask, although the gate refused the version.")
    ] = False,
) -> None:
    """Promote a version manually, without the gate; the bake window still applies.

    If the gate refused the version, the command shows why and asks for confirmation.
    """
    from tasks.lifecycle.champion_alias import sync_champion_alias
    from tasks.promotion.manual_promotion import promote_manually

    case = load_use_case(use_case)
    if not yes:
        _confirm_refused(open_ledger().entries(case.name), version)
    entry = promote_manually(open_ledger(), case, version, utc_or_now(as_of), by, reason)
    sync_champion_alias(open_ledger(), use_case)
    until = read_bake_end(entry)
    bake = f"; the bake window ends {until:%Y-%m-%dT%H:%M}" if until else ""
    _console.print(f"version {version} is champion from {format_moment(entry.at)} UTC on{bake}")


def _confirm_refused(entries: Sequence[Entry], version: int) -> None:
    """Ask whether to promote a version that was refused; BadConfig without a terminal."""
    decision = find_decision(entries, version)
    if decision is None or decision.what != "refused":
        return
    refusal = f"version {version} was refused on {decision.at:%Y-%m-%d}: {read_reason(decision)}"
    _console.print(render_text(refusal, "yellow"), soft_wrap=True)
    if not sys.stdin.isatty():
        raise BadConfig("--yes: give it to promote a refused version without a question")
    typer.confirm("Promote it all the same?", abort=True)


def rollback(
    use_case: Name,
    reason: Reason,
    by: By,
    as_of: AsOf = None,
    further: Annotated[
        bool,
        typer.Option("--further", help="Go back one more champion, even right after a rollback."),
    ] = False,
) -> None:
    """Restore the previous champion; needs the ledger and the registry, no server and no data."""
    from tasks.lifecycle.champion_alias import sync_champion_alias
    from tasks.promotion.rollback import roll_back_by_hand

    name = load_use_case(use_case).name
    entry = roll_back_by_hand(open_ledger(), name, utc_or_now(as_of), by, reason, further=further)
    version = sync_champion_alias(open_ledger(), name)
    if entry is None:
        _console.print(
            f"another process already changed the champion: version {version} is champion now"
        )
    else:
        moment = format_moment(entry.at)
        _console.print(f"version {version} is champion again from {moment} UTC on")


def approve(use_case: Name, version: Version, reason: Reason, by: By) -> None:
    """Approve a version that passed the gate and waits for approval."""
    _record_answer(use_case, version, by, reason, approve=True)


def reject(use_case: Name, version: Version, reason: Reason, by: By) -> None:
    """Reject a version that passed the gate and waits for approval."""
    _record_answer(use_case, version, by, reason, approve=False)


def _record_answer(use_case: str, version: int, by: str, reason: str, *, approve: bool) -> None:
    from infra import environment
    from tasks.promotion.approval import ApprovalAnswer, record_approval, resume_approval_run

    name = load_use_case(use_case).name
    answer = ApprovalAnswer(approve=approve, by=by, why=reason)
    entry, is_new = record_approval(open_ledger(), name, version, answer, utc_or_now())
    already = "" if is_new else "already "
    _console.print(render_text(f"version {version} was {already}{entry.what} by {entry.actor}"))
    if not (environment.join_server() and resume_approval_run(entry)):
        _console.print("no run waits for the answer: the next reconcile run continues from it")
