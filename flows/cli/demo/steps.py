"""Steps of the demo: the flows of each week, with a progress line and the ledger's new entries.

The steps never call retrain or promote. The automations start them on the worker, as in production.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date

from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from configs.clock import write_duration
from configs.errors import Terminal
from configs.schema.use_case import Demo, UseCase
from flows.cli.demo.state import DemoWeek, land_week, list_weeks
from flows.cli.views.history import INTERNAL_EVENTS
from tasks.ledger.descriptions import describe_event, describe_evidence
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import list_unanswered
from tasks.reporting.ledger_tables import EVENT_STYLES, tabulate_gates
from tasks.reporting.terminal import STYLES, render_terminal, render_text

DECISIONS = ("rollout_started", "rollout_grown", "promoted", "refused", "rolled_back")
REPORT_EVERY = 20  # weeks: Evidently's report takes seconds
TIMEOUT = 150.0  # seconds to wait for the automations


@dataclass(frozen=True)
class DemoProgress:
    """The progress line of the demo; ledger entries are printed above it."""

    bar: Progress
    job: TaskID

    def start(self, work: str) -> None:
        """Show what runs now."""
        self.bar.update(self.job, description=work)

    def finish_week(self, day: date) -> None:
        """Advance by one step, which ends on `day`."""
        self.bar.update(self.job, advance=1, description="", day=str(day))

    def print_entries(self, use_case: UseCase, printed: int) -> None:
        """Print the ledger's entries after the first `printed` ones."""
        for entry in open_ledger().entries(use_case.name)[printed:]:
            if entry.what not in INTERNAL_EVENTS:
                self._print_entry(entry)

    def _print_entry(self, entry: Entry) -> None:
        event = (describe_event(entry), STYLES[EVENT_STYLES.get(entry.what, "plain")])
        evidence = render_text(describe_evidence(entry))
        self.bar.console.print(Text.assemble(f"{entry.at:%Y-%m-%d}  ", event, "  ", evidence))
        if entry.what in DECISIONS and (gates := tabulate_gates(entry)) is not None:
            self.bar.console.print(render_terminal(gates))


def run_steps(
    console: Console, use_case: UseCase, demo: Demo, end: date, deployed: Future[list[str]]
) -> None:
    """Train the first champion, then run step after step: land, ingest, score, monitor, wait.

    Args:
        console: Where the progress is shown.
        use_case: The use case of the demo.
        demo: Its demo section.
        end: The last day.
        deployed: Done when the automations are deployed; what they answer waits for it.
    """
    weeks = list(list_weeks(demo, end))
    bar = Progress(
        TextColumn("[bold]{task.fields[day]}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("{task.description}"), console=console,
    )  # fmt: skip
    # the flows run in this process, whose end is visible: without a heartbeat each is 1 s faster
    no_heartbeat = temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    with bar, no_heartbeat:
        job = bar.add_task("", total=len(weeks) + 1, day=str(demo.start))
        progress = DemoProgress(bar, job)
        _train_first_champion(progress, use_case, demo, deployed)
        for number, week in enumerate(weeks):
            _run_week(progress, use_case, demo, week, report=number % REPORT_EVERY == 0)


def _train_first_champion(
    progress: DemoProgress, use_case: UseCase, demo: Demo, deployed: Future[list[str]]
) -> None:
    from flows.ingest import ingest
    from flows.train import train

    first = DemoWeek(demo.start, demo.train_at)
    progress.start("ingesting the files before the first training")
    ingest(use_case.name, as_of=first.as_of)
    progress.start("training the first candidates")
    deployed.result()
    train(use_case.name, as_of=first.as_of)
    progress.start("waiting for the promotion that its event starts")
    _wait_for_automations(use_case)
    progress.print_entries(use_case, 0)
    progress.finish_week(first.end)


def _run_week(
    progress: DemoProgress, use_case: UseCase, demo: Demo, week: DemoWeek, *, report: bool
) -> None:
    from flows.ingest import ingest
    from flows.monitor import monitor
    from flows.score import score

    printed = len(open_ledger().entries(use_case.name))
    progress.start("ingest")
    land_week(use_case, demo, week)
    ingest(use_case.name, as_of=week.as_of)
    progress.start("score")
    score(use_case.name, as_of=week.as_of, window=write_duration(demo.step))
    progress.start("monitor")
    monitor(use_case.name, as_of=week.as_of, report=report)
    progress.start("waiting for the automations: retrain, promote, roll back")
    _wait_for_automations(use_case)
    progress.print_entries(use_case, printed)
    progress.finish_week(week.end)


def _wait_for_automations(use_case: UseCase) -> None:
    """Wait until the automations have answered every request in the ledger."""
    deadline = time.monotonic() + TIMEOUT
    while waiting := list_unanswered(open_ledger().entries(use_case.name)):
        if time.monotonic() > deadline:
            keys = ", ".join(entry.key for entry in waiting)
            raise Terminal(
                f"no automation answered {keys} in {TIMEOUT:.0f} s. See the logs in the state "
                "folder"
            )
        time.sleep(0.3)
