"""monitor: is the champion still good, also against the one before, and are its data whole?

window, bake ► numbers with verdicts ► monitoring table ► episodes ► asks ► what people see
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import moment
from configs.use_case import load_use_case
from tasks.alerts import raise_alerts
from tasks.bake import ask_for_rollback, look_at_bake, with_bake
from tasks.lake import lake_of
from tasks.ledger import ledger
from tasks.monitoring import counted, history, save_numbers
from tasks.notify import notify
from tasks.reports import publish_evidently, publish_numbers, publish_picture
from tasks.steps import ask_for_steps
from tasks.window import load_window, measure_window


@flow(name="monitor", flow_run_name="monitor-{use_case}")
def monitor(use_case: str, as_of: datetime | None = None, report: bool = True) -> State[None]:
    """Watch [as_of − monitor.window, as_of), and ask for what it shows to be due: retraining, a
    rollback of a champion that is worse than the one before, the next step of a candidate.

    `report` also draws the picture and writes Evidently's HTML, which takes seconds. Running it
    again changes no row of the monitoring table and no entry of the ledger.
    """
    case, now = load_use_case(use_case), moment(as_of)
    lake, book = lake_of(use_case), ledger()

    window = load_window(case, book.entries(use_case), now)
    if window is None:
        ask_for_steps(case, now)
        return Completed(message="nothing to watch: there is no champion yet")
    baked = look_at_bake(case, now)
    rows = with_bake(case, measure_window(window), baked, now)

    save_numbers(lake, rows, now)
    raise_alerts(book, case, rows, now)
    ask_for_rollback(case, baked, now)
    ask_for_steps(case, now)

    publish_numbers(case, rows, now)
    if report:
        publish_picture(case, history(lake, now), book.entries(use_case), now)
    if report and window.rows:
        publish_evidently(window.use_case, window.champion, now)
    notify(case)
    return Completed(message=f"version {window.champion.version}: {counted(rows)}")
