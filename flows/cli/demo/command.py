"""Demo: the real flows on real data, week after week, until an alert led to a decision.

The flows run in this process against a Prefect server of the demo's own. Its automations start
retrain and promote on a worker, as they do in production.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from importlib import import_module
from pathlib import Path

from prefect import flow
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from configs.clock import utc_or_now
from configs.errors import BadConfig
from configs.schema.loading import all_use_cases, load_use_case
from configs.schema.use_case import Demo, UseCase
from configs.settings import ROOT, Settings, settings
from flows.cli.demo.first_champion import measure_first_champion
from flows.cli.demo.state import DemoWeek, land_week, require_empty_state, reset_state
from flows.cli.demo.steps import DECISIONS, run_steps
from flows.cli.views.history import choose_entries, render_history
from tasks.ledger.log import open_ledger
from tasks.ledger.projections import find_candidate
from tasks.monitoring.history_chart import draw_year_chart
from tasks.monitoring.prefect_tasks import publish_image
from tasks.orchestration.run_logs import RunName
from tasks.reporting.formats import format_seconds
from tasks.reporting.terminal import render_text
from tasks.storage import files

_SLOW_IMPORTS = (
    "great_expectations", "feast", "mlflow.onnx", "sklearn.ensemble", "skl2onnx", "evidently",
)  # fmt: skip


def find_demo_use_case() -> str:
    """Return the first valid use case with a demo section; raise BadConfig if there is none."""
    for use_case in all_use_cases().sound:
        if use_case.demo is not None:
            return use_case.name
    raise BadConfig("no use case has a `demo` section. Add one to a file of configs/")


def run_demo(console: Console, name: str, until: str | None, state: Path) -> bool:
    """Run a use case's demo, and return whether the loop closed.

    Args:
        console: Where progress and results are shown.
        name: The use case.
        until: The last day in ISO format; None for the end in its YAML.
        state: The state folder; an earlier demo there is erased.
    """
    use_case = load_use_case(name)
    if use_case.demo is None:
        raise BadConfig(f"configs/{name}.yaml has no `demo` section. Add one to run the demo")
    end = _read_last_day(until) if until else use_case.demo.end
    start = time.monotonic()
    reset_state(state)
    require_empty_state(use_case)
    usual = settings()  # with the addresses of `make up`, whereas the demo takes free ports
    from infra import deploy, environment, stack
    from infra.servers.credentials import read_token
    from infra.servers.guard import sign_in_link

    title = render_text(use_case.title, "bold")
    console.print(Text.assemble(title, "  state folder ", render_text(str(state), "cyan")))
    with ThreadPoolExecutor() as threads:
        with console.status("starting the demo's own Prefect server and worker"):
            prepared = threads.submit(_prepare_first_week, use_case, use_case.demo)
            running = stack.up(
                schedules=False, mlflow=False, reports=False, free_ports=True, deployed=False
            )
            deployed = threads.submit(deploy.deploy_to_stack)
            prepared.result()
        try:
            link = sign_in_link(
                running.addresses["Prefect"], read_token() if console.is_terminal else ""
            )
            console.print(render_text(f"watch it live: {link}"), soft_wrap=True)
            run_steps(console, use_case, use_case.demo, end, deployed)
            return _show_results(console, use_case, time.monotonic() - start, usual)
        finally:
            environment.leave_environment()
            stack.down()


def _read_last_day(until: str) -> date:
    """Return the day of `--until`; BadConfig if it is invalid or in the future."""
    try:
        return utc_or_now(datetime.fromisoformat(until)).date()
    except ValueError as error:
        raise BadConfig(f"--until {until!r:.40} is invalid; write a day like 2013-07-01") from error


def _prepare_first_week(use_case: UseCase, demo: Demo) -> None:
    """Land the first files and import slow packages, while the server starts."""
    land_week(use_case, demo, DemoWeek(demo.start, demo.train_at))
    for name in _SLOW_IMPORTS:
        import_module(name)


def _show_results(console: Console, use_case: UseCase, seconds: float, usual: Settings) -> bool:
    """Print history, chart and addresses; return whether the loop closed."""
    chart = publish_demo_chart(use_case.name).removeprefix(f"{ROOT}/")
    console.print(render_history(use_case.name, choose_entries(use_case.name)))
    closed = is_loop_closed(use_case)
    verdict = (
        ("the loop closed", "bold green") if closed else ("the loop did not close", "bold red")
    )
    text = Text.assemble(
        verdict, f" in {format_seconds(seconds)}\nchart    ", render_text(chart),
        "\ntry      ", ("\n         ".join(_try_commands(use_case.name)), "bold"),
        "\nthe demo's runs, artifacts and models: ", ("make up DEMO=1", "bold"), ", then\n",
        render_text(f"Prefect  {usual.prefect_url}\nMLflow   {usual.mlflow_url}"),
    )  # fmt: skip
    console.print(Panel(text))
    return closed


def _try_commands(use_case: str) -> list[str]:
    """Return commands that show the results; for another state folder, the folder comes too."""
    place = "--demo" if settings().state == ROOT / ".mainspring/demo" else "--state <folder>"
    commands = ("status", f"history {use_case} --gates", f"reproduce {use_case} 2")
    return [f"mainspring {command} {place}" for command in commands]


@flow(name="demo", flow_run_name=RunName("demo-{use_case}"))
def publish_demo_chart(use_case: str) -> str:
    """Draw the chart of the whole demo, as a file and an artifact; return its address."""
    case = load_use_case(use_case)
    address = f"{settings().reports}/{use_case}/year.png"
    chart = draw_year_chart(case, measure_first_champion(case))
    files.write_file(address, chart)
    publish_image(case, chart, "year", case.title)
    return address


def is_loop_closed(use_case: UseCase) -> bool:
    """Return whether an alert led to a candidate, and the candidate to a decision."""
    entries = open_ledger().entries(use_case.name)
    alerts = {e.key for e in entries if e.what == "alert_raised"}
    candidates = {e.version for key in alerts if (e := find_candidate(entries, key)) is not None}
    return any(e.version in candidates for e in entries if e.what in DECISIONS)
