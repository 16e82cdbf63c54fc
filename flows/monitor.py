"""Monitor flow: measure performance, drift and data quality, and request what follows.

window, bake ► measurements ► monitoring table ► episodes and alerts ► requests ► artifacts
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from tasks.ledger.log import open_ledger
from tasks.monitoring.measurements import count_severities, read_measurements
from tasks.monitoring.prefect_tasks import (
    load_window,
    measure_window,
    publish_evidently,
    publish_history_chart,
    publish_measurements,
    raise_alerts,
    renew_limits,
    save_measurements,
    send_due_notifications,
)
from tasks.orchestration.run_logs import RunName
from tasks.overview.prefect_tasks import write_overview
from tasks.promotion.bake import add_bake_measurements
from tasks.promotion.prefect_tasks import evaluate_bake, request_due_steps, request_rollback
from tasks.storage.lake import open_lake


@flow(name="monitor", flow_run_name=RunName("monitor-{use_case}"))
def monitor(use_case: str, as_of: datetime | None = None, report: bool = True) -> State[None]:
    """Monitor the window [as_of - monitor.window, as_of), and request what is due.

    Requests are a retraining, a rollback to the previous champion, or a candidate's next step. With
    `report`, it also draws the chart and writes Evidently's HTML, which takes seconds. The flow is
    idempotent.
    """
    case, now = load_use_case(use_case), utc_or_now(as_of)
    lake, book = open_lake(use_case), open_ledger()

    window = load_window(case, book.entries(use_case), now)
    if window is None:
        request_due_steps(case, now)
        write_overview(case, now)
        return Completed(message="nothing monitored: there is no champion yet")
    bake = evaluate_bake(case, now)
    rows = add_bake_measurements(case, measure_window(window), bake, now)

    save_measurements(lake, rows, now)
    raise_alerts(book, case, rows, now)
    renew_limits(book, case, window.champion, now)
    request_rollback(case, bake, now)
    request_due_steps(case, now)

    publish_measurements(case, rows, now)
    if report:
        publish_history_chart(case, read_measurements(lake, now), book.entries(use_case), now)
    if report and window.rows:
        publish_evidently(window.use_case, window.champion, rows, now)
    send_due_notifications(case)
    write_overview(case, now)
    return Completed(message=f"version {window.champion.version}: {count_severities(rows)}")
