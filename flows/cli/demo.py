"""The demo: the real flows on real data, week after week, until the loop has closed by itself.

It runs the flows in this process against a Prefect server of its own, and never calls retrain or
promote: the automations start these on the worker, as they do in production.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from prefect import flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from configs.clock import write_duration
from configs.errors import BadConfig, Terminal
from configs.schema.loading import all_use_cases, load_use_case
from configs.schema.use_case import Demo, UseCase
from configs.settings import ROOT, Settings, settings
from flows.cli.views.ledger import EVENT_STYLES, INTERNAL_EVENTS, gates_view, history_view
from tasks.ledger.descriptions import describe_event, describe_evidence
from tasks.ledger.log import open_ledger
from tasks.ledger.projections import list_unanswered
from tasks.monitoring.history_chart import draw_year_chart
from tasks.monitoring.prefect_tasks import publish_image
from tasks.storage import files
from tasks.storage.lake import open_lake

PATIENCE = 150.0  # seconds to wait for the automations to answer
REPORT_EVERY = 20  # weeks: Evidently's report takes seconds
HEAVY = ("great_expectations", "feast", "mlflow.onnx", "sklearn.ensemble", "skl2onnx", "evidently")
GATED = ("rollout_started", "rollout_grown", "promoted", "refused", "rolled_back")
MARK = "made-by-mainspring-demo"


def playable() -> str:
    """The first use case that holds and has a demo section; BadConfig if none does."""
    for use_case in all_use_cases().sound:
        if use_case.demo is not None:
            return use_case.name
    raise BadConfig("no use case has a demo section, which says who lands its files and when")


def play(console: Console, name: str, until: str | None, state: Path) -> bool:
    """Play a use case's demo in `state`, which is erased first; whether the loop closed."""
    use_case = load_use_case(name)
    if use_case.demo is None:
        raise BadConfig(f"configs/{name}.yaml: the demo needs a demo section")
    end = date.fromisoformat(until) if until else use_case.demo.end
    began = time.monotonic()
    _start_over(state)
    _require_new(use_case)
    usual = settings()  # the addresses of `make up`; the demo takes free ports
    from infra import deploy, environment, stack

    console.print(f"[bold]{use_case.title}[/]  everything goes to [cyan]{state}[/]")
    with ThreadPoolExecutor() as aside:
        with console.status("starting a Prefect server and a worker of the demo's own"):
            prepared = aside.submit(_prepare, use_case, use_case.demo)
            running = stack.up(schedules=False, mlflow=False, free_ports=True, deployed=False)
            deployed = aside.submit(deploy.deploy_to_stack)
            prepared.result()
        try:
            console.print(f"watch it live: {running.addresses['Prefect']}")
            _live(console, use_case, use_case.demo, end, deployed)
            return _closing(console, use_case, time.monotonic() - began, usual)
        finally:
            environment.leave()
            stack.down()


def _prepare(use_case: UseCase, demo: Demo) -> None:
    """What can be done while the server starts: land the first files, import what is slow."""
    _land(use_case, demo, Week(demo.start, demo.train_at))
    for name in HEAVY:
        import_module(name)


def _start_over(state: Path) -> None:
    """Empty the demo's own folder, and only a folder that a demo made, and point settings at it."""
    if state.exists() and any(state.iterdir()) and not (state / MARK).exists():
        raise BadConfig(f"{state} was not made by a demo and is not erased; give another --state")
    os.environ["MAINSPRING_STATE"] = str(state.resolve())
    settings.cache_clear()
    open_ledger.cache_clear()
    if state.exists():
        from infra import stack

        stack.down()
        shutil.rmtree(state)
    state.mkdir(parents=True)
    (state / MARK).touch()


def _require_new(use_case: UseCase) -> None:
    """BadConfig if there is something already where settings lead out of the demo's folder."""
    name, places = use_case.name, settings()
    raw = [f"raw/{table}" for table in use_case.tables]
    held = {
        "MAINSPRING_LAKE": open_lake(name).versions(raw),
        "MAINSPRING_LANDING": files.list_files(f"{places.landing}/{name}"),
        "MAINSPRING_LEDGER_URL": open_ledger().entries(name),
    }
    if found := [setting for setting, what in held.items() if what]:
        raise BadConfig(
            f"{', '.join(found)}: something of {name} is there already, and a demo would play into "
            "it; unset it, or name a place that is empty"
        )


@dataclass(frozen=True)
class Week:
    """One step of the demo: the days that land, and the moment the flows pretend to be at."""

    start: date
    end: date

    @property
    def as_of(self) -> datetime:
        """Midnight (UTC) after the step's last day."""
        return datetime(self.end.year, self.end.month, self.end.day, tzinfo=UTC)


def weeks(demo: Demo, end: date) -> Iterator[Week]:
    """The steps from the first training run to the end; a step that would pass the end is left."""
    start = demo.train_at
    while start + demo.step <= end:
        yield Week(start, start + demo.step)
        start += demo.step


@dataclass(frozen=True)
class Screen:
    """The progress line of the demo, and what is printed above it."""

    bar: Progress
    job: TaskID

    def doing(self, what: str) -> None:
        """Say what goes on right now."""
        self.bar.update(self.job, description=what)

    def done(self, day: date) -> None:
        """One step further, up to a day."""
        self.bar.update(self.job, advance=1, description="", day=str(day))

    def tell(self, use_case: UseCase, seen: int) -> None:
        """Print what the ledger learned since it had `seen` entries."""
        for entry in open_ledger().entries(use_case.name)[seen:]:
            if entry.what in INTERNAL_EVENTS:
                continue
            line = f"[{EVENT_STYLES.get(entry.what, 'default')}]{describe_event(entry)}[/]"
            self.bar.console.print(
                f"{entry.at:%Y-%m-%d}  {line}  {escape(describe_evidence(entry))}"
            )
            if entry.what in GATED and (gates := gates_view(entry)) is not None:
                self.bar.console.print(gates)


def _live(
    console: Console, use_case: UseCase, demo: Demo, end: date, deployed: Future[list[str]]
) -> None:
    """The first champion, then step after step: land, ingest, score, monitor, wait for answers.

    Nothing that an automation answers happens before they are `deployed`.
    """
    steps = list(weeks(demo, end))
    bar = Progress(
        TextColumn("[bold]{task.fields[day]}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("{task.description}"), console=console,
    )  # fmt: skip
    quiet = temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    with bar, quiet:  # a flow in a process that somebody watches needs no heartbeat: saves 1 s each
        screen = Screen(bar, bar.add_task("", total=len(steps) + 1, day=str(demo.start)))
        _first_champion(screen, use_case, demo, deployed)
        for number, week in enumerate(steps):
            _step(screen, use_case, demo, week, report=number % REPORT_EVERY == 0)


def _first_champion(
    screen: Screen, use_case: UseCase, demo: Demo, deployed: Future[list[str]]
) -> None:
    from flows.ingest import ingest
    from flows.train import train

    first = Week(demo.start, demo.train_at)
    screen.doing("ingesting what landed before the first training")
    ingest(use_case.name, as_of=first.as_of)
    screen.doing("training the first candidates")
    deployed.result()
    train(use_case.name, as_of=first.as_of)
    screen.doing("waiting for the promotion that its event starts")
    _wait_for_answers(use_case)
    screen.tell(use_case, 0)
    screen.done(first.end)


def _step(screen: Screen, use_case: UseCase, demo: Demo, week: Week, *, report: bool) -> None:
    from flows.ingest import ingest
    from flows.monitor import monitor
    from flows.score import score

    seen = len(open_ledger().entries(use_case.name))
    screen.doing("ingest")
    _land(use_case, demo, week)
    ingest(use_case.name, as_of=week.as_of)
    screen.doing("score")
    score(use_case.name, as_of=week.as_of, window=write_duration(demo.step))
    screen.doing("monitor")
    monitor(use_case.name, as_of=week.as_of, report=report)
    screen.doing("an alert: its automations retrain and decide")
    _wait_for_answers(use_case)
    screen.tell(use_case, seen)
    screen.done(week.end)


def _land(use_case: UseCase, demo: Demo, week: Week) -> None:
    source = import_module(demo.source)
    with TemporaryDirectory() as folder:
        source.write_landing(Path(folder), week.start, week.end)
        files.upload_folder(Path(folder), f"{settings().landing}/{use_case.name}")


def _wait_for_answers(use_case: UseCase) -> None:
    """Wait until the automations have done all that the ledger says is asked for."""
    deadline = time.monotonic() + PATIENCE
    while True:
        waiting = list_unanswered(open_ledger().entries(use_case.name))
        if not waiting:
            return
        if time.monotonic() > deadline:
            keys = ", ".join(e.key for e in waiting)
            raise Terminal(
                f"no automation answered {keys} in {PATIENCE:.0f} s; see the logs in state"
            )
        time.sleep(0.3)


def _closing(console: Console, use_case: UseCase, seconds: float, usual: Settings) -> bool:
    """The timeline, the picture, the addresses; whether an alert was answered by a decision."""
    shown = publish(use_case.name).removeprefix(f"{ROOT}/")
    console.print(history_view(use_case.name))
    closed = loop_closed(use_case)
    verdict = "[bold green]the loop closed[/]" if closed else "[bold red]the loop did not close[/]"
    console.print(
        Panel(
            f"{verdict} in {seconds:.0f} s\npicture  {shown}\n"
            "the demo's runs, artifacts and models: [bold]make up DEMO=1[/], then\n"
            f"Prefect  {usual.prefect_url}\nMLflow   {usual.mlflow_url}"
        )
    )
    return closed


@flow(name="demo", flow_run_name="demo-{use_case}")
def publish(use_case: str) -> str:
    """Draw the picture of the whole demo, as a file and as an artifact of this run; its address."""
    case = load_use_case(use_case)
    address, drawn = f"{settings().reports}/{use_case}/year.png", draw_year_chart(case)
    files.write_file(address, drawn)
    publish_image(case, drawn, "year", case.title)
    return address


def loop_closed(use_case: UseCase) -> bool:
    """Whether an alert was raised, its candidate registered, and that one refused or let in."""
    entries = open_ledger().entries(use_case.name)
    alerts = {e.key for e in entries if e.what == "alert_raised"}
    candidates = {e.version for e in entries if e.key.removeprefix("candidate:") in alerts}
    return any(e.version in candidates for e in entries if e.what in GATED)
