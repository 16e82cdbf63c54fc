"""The commands that print facts: check, status, alerts, history, explain and reproduce."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from configs.clock import as_utc, utc_or_now
from configs.schema.loading import all_use_cases, load_use_case
from flows.cli.options import AnyName, AsJson, Name, Version, VersionOption, print_json
from tasks.reporting.terminal import render_text

console = Console()
TOP_INPUTS = 10
DAYS = ["%Y-%m-%d"]
_MARKS = {"ok": ("✓", "green"), "skipped": ("–", "yellow"), "wrong": ("✗", "red")}


def check(use_case: Name, as_json: AsJson = False) -> None:
    """Check a use case without side effects: YAML, suites, Feast, features on real rows."""
    from tasks.checks.use_case import check_use_case

    findings = []
    for finding in check_use_case(use_case):
        findings.append(finding)
        if not as_json:
            subject, detail = render_text(finding.subject, "bold"), render_text(finding.detail)
            console.print(Text.assemble(_MARKS[finding.verdict], " ", subject, " ", detail))
    if as_json:
        print_json([asdict(each) for each in findings])
    if any(each.verdict == "wrong" for each in findings):
        raise typer.Exit(1)


def status(use_case: AnyName = None, as_json: AsJson = False) -> None:
    """Show the champion, the open episodes and the last monitored windows."""
    from flows.cli.views.status import read_status, render_status

    use_cases = all_use_cases()
    shown = [load_use_case(use_case)] if use_case else use_cases.sound
    if as_json:
        print_json([read_status(each, utc_or_now()).to_record() for each in shown])
    else:
        for each in shown:
            console.print(render_status(each, utc_or_now()))
    if not use_case:
        use_cases.require_all("The other use cases are shown above.")


def alerts(
    use_case: AnyName = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are closed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is wrong: episodes with severity, cause, and what answers them.

    The exit code is 0 in any case; with --json, a program can read the severities.
    """
    from flows.cli.views.alerts import list_alerts, render_alerts

    names = [use_case] if use_case else [each.name for each in all_use_cases().sound]
    shown = [alert for name in names for alert in list_alerts(name, everything=everything)]
    if as_json:
        print_json([asdict(each) for each in shown])
    else:
        console.print(render_alerts(shown, everything=everything))


def history(
    use_case: Name,
    full: Annotated[bool, typer.Option(help="Print each entry's evidence as JSON.")] = False,
    gates: Annotated[bool, typer.Option(help="Print each decision's gate checks.")] = False,
    version: VersionOption = None,
    last: Annotated[int | None, typer.Option(min=1, max=10**6, help="Only the newest.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=DAYS, help="From a day on, UTC.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a model's ledger: each event with its time, actor and evidence, oldest first."""
    from flows.cli.views.history import choose_entries, find_ledger_name, render_history

    model = find_ledger_name(use_case)
    chosen = choose_entries(
        model, full=full or as_json, version=version, last=last, since=since and as_utc(since)
    )
    if as_json:
        print_json([asdict(each) for each in chosen])
    else:
        console.print(render_history(model, chosen, full=full, gates=gates))


def explain(
    use_case: Name,
    key: Annotated[
        str,
        typer.Argument(
            help="Key of the prediction: the values of spine.keys in order, like a/b/2013-07-04, "
            "or by name, like key=a,other=b. If the key is unknown, an existing one is suggested."
        ),
    ],
    everything: Annotated[
        bool, typer.Option("--all", help=f"All inputs, not only the {TOP_INPUTS} largest.")
    ] = False,
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
        print_json(asdict(explanation))
    else:
        console.print(render_explanation(explanation, None if everything else TOP_INPUTS))


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
        print_json(reproduction_to_dict(reproduction))
    else:
        console.print(render_reproduction(reproduction))
    if not reproduction.equal:
        raise typer.Exit(1)
