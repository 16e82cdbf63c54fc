"""monitor: is the champion still good, and are its data whole?

window ► numbers with verdicts ► monitoring table ► episodes and alert ► what people see
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import moment
from configs.use_case import load_use_case
from tasks.alerts import raise_alerts
from tasks.lake import lake_of
from tasks.ledger import ledger
from tasks.monitoring import counted, history, save_numbers
from tasks.reports import publish_evidently, publish_numbers, publish_picture
from tasks.window import load_window, measure_window


@flow(name="monitor", flow_run_name="monitor-{use_case}")
def monitor(use_case: str, as_of: datetime | None = None, report: bool = True) -> State[None]:
    """Watch [as_of − monitor.window, as_of) and ask for retraining when an episode wants it.

    `report` also draws the picture and writes Evidently's HTML, which takes seconds. Running it
    again changes no row of the monitoring table and no entry of the ledger.
    """
    case, now = load_use_case(use_case), moment(as_of)
    lake, book = lake_of(use_case), ledger()

    window = load_window(case, book.entries(use_case), now)
    if window is None:
        return Completed(message="nothing to watch: there is no champion yet")
    rows = measure_window(window)

    save_numbers(lake, rows, now)
    raise_alerts(book, case, rows, now)

    publish_numbers(case, rows, now)
    if report:
        publish_picture(case, history(lake, now), book.entries(use_case), now)
    if report and window.scored.height:
        publish_evidently(window.use_case, window.champion, window.scored, now)
    return Completed(message=f"version {window.champion.version}: {counted(rows)}")
