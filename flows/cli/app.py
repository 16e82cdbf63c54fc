"""The `mainspring` command line: status, decisions, explanations, servers, replay and demo."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from configs.clock import utc_or_now
from configs.errors import BadConfig, MainspringError
from configs.schema.loading import all_use_cases, load_use_case
from configs.settings import settings
from flows.cli.export import export
from flows.cli.features import PASS_THROUGH, feast, rebuild
from flows.cli.migrate import migrate
from flows.cli.new import new
from flows.cli.options import AnyName, AsJson, AsOf, By, Name, Reason, Version
from flows.cli.recovery import recover, retire
from flows.cli.rehearse import rehearse
from flows.cli.replay import replay
from flows.cli.rows import erase, quarantine, release, repair
from flows.cli.serve import serve
from flows.cli.servers import deploy, deployments, down, up
from flows.cli.verify import verify
from tasks.reporting.formats import format_moment
from tasks.reporting.terminal import render_text

app = typer.Typer(
    help="Keep tabular models good in production: monitor, retrain, promote, roll back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

console = Console()


def command(function: Callable[..., None], context: Any = None) -> Callable[..., None]:  # noqa: ANN401
    """Register a command that prints Mainspring's own errors as a sentence, with exit code 1."""

    @functools.wraps(function)
    def guarded(*args: object, **kwargs: object) -> None:
        try:
            _require_text(kwargs)
            function(*args, **kwargs)
        except MainspringError as error:
            console.print(Text.assemble(("Error:", "bold red"), " ", render_text(str(error))))
            raise typer.Exit(1) from error

    return app.command(context_settings=context)(guarded)


def _require_text(options: Mapping[str, object]) -> None:
    """Raise BadConfig if a text of the command line is not valid UTF-8: no database keeps it."""
    for name, value in options.items():
        if isinstance(value, str) and value.encode(errors="replace").decode() != value:
            raise BadConfig(f"{name}: {value!r:.60} is not valid UTF-8; write it in UTF-8")


command(up)
command(down)
command(deploy)
command(serve)


@command
def check(use_case: Name) -> None:
    """Check a use case without side effects: YAML, suites, Feast, features on real rows."""
    from tasks.checks.use_case import check_use_case

    marks = {"ok": ("✓", "green"), "skipped": ("–", "yellow"), "wrong": ("✗", "red")}
    failed = 0
    for finding in check_use_case(use_case):
        subject = render_text(finding.subject, "bold")
        detail = render_text(finding.detail)
        console.print(Text.assemble(marks[finding.verdict], " ", subject, " ", detail))
        failed += finding.verdict == "wrong"
    if failed:
        raise typer.Exit(1)


command(new)


@command
def status(
    use_case: AnyName = None,
) -> None:
    """Show the champion, the open episodes and the last monitored windows."""
    from flows.cli.views.status import render_status

    if use_case:
        console.print(render_status(load_use_case(use_case)))
        return
    use_cases = all_use_cases()
    for each in use_cases.sound:
        console.print(render_status(each))
    use_cases.require_all("The other use cases are shown above.")


@command
def history(
    use_case: Name,
    full: Annotated[bool, typer.Option(help="Print each entry's evidence as JSON.")] = False,
    gates: Annotated[bool, typer.Option(help="Print each decision's gate checks.")] = False,
) -> None:
    """Show a model's ledger: each event with its time and evidence, oldest first."""
    from flows.cli.views.history import find_ledger_name, render_history

    console.print(render_history(find_ledger_name(use_case), full=full, gates=gates))


@command
def promote(use_case: Name, version: Version, reason: Reason, by: By, as_of: AsOf = None) -> None:
    """Promote a version manually, without the gate; the bake window still applies."""
    from tasks.ledger.descriptions import read_bake_end
    from tasks.ledger.log import open_ledger
    from tasks.lifecycle.champion_alias import sync_champion_alias
    from tasks.promotion.manual_promotion import promote_manually

    case = load_use_case(use_case)
    entry = promote_manually(open_ledger(), case, version, utc_or_now(as_of), by, reason)
    sync_champion_alias(open_ledger(), use_case)
    until = read_bake_end(entry)
    bake = f"; the bake window ends {until:%Y-%m-%dT%H:%M}" if until else ""
    console.print(f"version {version} is champion from {format_moment(entry.at)} UTC on{bake}")


@command
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
    from tasks.ledger.log import open_ledger
    from tasks.lifecycle.champion_alias import sync_champion_alias
    from tasks.promotion.rollback import roll_back_by_hand

    name = load_use_case(use_case).name
    entry = roll_back_by_hand(open_ledger(), name, utc_or_now(as_of), by, reason, further=further)
    version = sync_champion_alias(open_ledger(), name)
    if entry is None:
        console.print(
            f"another process already changed the champion: version {version} is champion now"
        )
    else:
        moment = format_moment(entry.at)
        console.print(f"version {version} is champion again from {moment} UTC on")


command(export)
command(recover)
command(retire)


@command
def approve(use_case: Name, version: Version, reason: Reason, by: By) -> None:
    """Approve a version that passed the gate and waits for approval."""
    _record_answer(use_case, version, by, reason, approve=True)


@command
def reject(use_case: Name, version: Version, reason: Reason, by: By) -> None:
    """Reject a version that passed the gate and waits for approval."""
    _record_answer(use_case, version, by, reason, approve=False)


def _record_answer(use_case: str, version: int, by: str, reason: str, *, approve: bool) -> None:
    from infra import environment
    from tasks.ledger.log import open_ledger
    from tasks.promotion.approval import ApprovalAnswer, record_approval, resume_approval_run

    name = load_use_case(use_case).name
    answer = ApprovalAnswer(approve=approve, by=by, why=reason)
    entry, is_new = record_approval(open_ledger(), name, version, answer, utc_or_now())
    already = "" if is_new else "already "
    console.print(render_text(f"version {version} was {already}{entry.what} by {entry.actor}"))
    if not (environment.join_server() and resume_approval_run(entry)):
        console.print("no run waits for the answer: the next reconcile run continues from it")


@command
def explain(
    use_case: Name,
    key: Annotated[
        str,
        typer.Argument(
            help="Key of the prediction: the values of spine.keys in order, like a/b/2013-07-04, "
            "or by name, like key=a,other=b. If the key is unknown, an existing one is suggested."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Explain one prediction: model, inputs with their times, and contributions.

    A contribution is what an input adds to the prediction (Shapley values against the version's
    background rows). Its unit is a point of probability, or the label's unit. For multiclass models
    it concerns the decided class. Predictions of the other versions stand beside it.
    """
    from flows.cli.views.explanation import render_explanation
    from tasks.scoring.explain import explain_prediction

    case = load_use_case(use_case)
    with console.status("reading the features as they were known"):
        explanation = explain_prediction(case, key, utc_or_now())
    if as_json:
        console.print_json(data=asdict(explanation), default=str, ensure_ascii=True)
    else:
        console.print(render_explanation(explanation))


@command
def reproduce(use_case: Name, version: Version, as_json: AsJson = False) -> None:
    """Train a version again from its recorded data and code, and compare the predictions.

    Tables are read at the recorded versions, and the code comes from git at the recorded revision.
    Nothing is written or registered. The exit code is 1 if the predictions differ.
    """
    from flows.cli.views.explanation import render_reproduction
    from tasks.training.reproduce import reproduce_version, reproduction_to_dict

    case = load_use_case(use_case)
    with console.status("opening the version") as status:
        reproduction = reproduce_version(
            case, version, lambda step: status.update(render_text(f"{step} …"))
        )
    if as_json:
        console.print_json(data=reproduction_to_dict(reproduction), ensure_ascii=True)
    else:
        console.print(render_reproduction(reproduction))
    if not reproduction.equal:
        raise typer.Exit(1)


command(deployments)


@command
def demo(
    use_case: Annotated[
        str | None, typer.Argument(help="Use case with a demo section (default: the first one).")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Last day, like 2013-07-01.")] = None,
    state: Annotated[
        Path | None, typer.Option(help="State folder of the demo; an earlier demo is erased.")
    ] = None,
) -> None:
    """Run the whole loop on real data: land, ingest, train and promote, then week after week."""
    # set before Prefect is imported: a terminal shows progress, and the UI has every log line
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "ERROR")
    from flows.cli.demo.command import find_demo_use_case, run_demo

    name = use_case or find_demo_use_case()
    if not run_demo(console, name, until, state or settings().state / "demo"):
        raise typer.Exit(1)


for each in (replay, rehearse, migrate, rebuild, verify, quarantine, release, repair, erase):
    command(each)
command(feast, PASS_THROUGH)


if __name__ == "__main__":
    app()
