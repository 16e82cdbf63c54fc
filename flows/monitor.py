"""Monitor flow: measure performance, drift and data quality, and request what follows.

window, bake ► measurements ► monitoring table ► episodes and alerts ► requests ► artifacts
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.frame import AsOf, FlowRunName, Force, Name, Report, tag_runs
from tasks.ledger.log import open_ledger
from tasks.monitoring.freshness import require_known_rows
from tasks.monitoring.measurements import has_later_window, read_measurements
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
    write_window_profile,
)
from tasks.monitoring.report import summarise_verdicts
from tasks.overview.prefect_tasks import write_overview
from tasks.promotion.bake import add_bake_measurements
from tasks.promotion.prefect_tasks import evaluate_bake, request_due_steps, request_rollback
from tasks.storage.lake import open_lake


@tag_runs
@flow(name="monitor", flow_run_name=FlowRunName("monitor {use_case} {moment}"))
def monitor(
    use_case: Name, as_of: AsOf = None, report: Report = True, force: Force = False
) -> State[None]:
    """Monitor the window [as_of - monitor.window, as_of), and request what is due.

    Requests are a retraining, a rollback to the previous champion, or a candidate's next step. With
    `report`, or if anything pages, it also writes Evidently's HTML, which takes seconds. The flow
    is idempotent. Of a moment before the newest monitored window it only measures.

    Args:
        use_case: The use case to monitor.
        as_of: The end of the window; None for now.
        report: Write Evidently's report in any case.
        force: Monitor although `as_of` is long after the newest known row.
    """
    case, now = load_use_case(use_case), utc_or_now(as_of)
    if as_of is not None and not force:
        require_known_rows(case, now)
    lake, book = open_lake(use_case), open_ledger()
    is_past = has_later_window(lake, now)

    window = load_window(case, book.entries(use_case), now)
    if window is None:
        if not is_past:
            request_due_steps(case, now)
        write_overview(case, now)
        return Completed(message="nothing monitored: there is no champion yet")
    bake = evaluate_bake(case, now)
    rows = add_bake_measurements(case, measure_window(window), bake, now)

    save_measurements(lake, rows, now)
    if not is_past:
        raise_alerts(book, case, rows, now)
        renew_limits(book, case, window.champion, now)
        request_rollback(case, bake, now)
        request_due_steps(case, now)

    publish_measurements(case, rows, now)
    publish_history_chart(case, read_measurements(lake, now), book.entries(use_case), now)
    if window.rows and (report or "page" in rows["verdict"]):
        publish_evidently(window.use_case, window.champion, rows, now)
    if window.rows and case.monitor.whylogs:
        write_window_profile(window.use_case, window.champion, now)
    send_due_notifications(case)
    write_overview(case, now)
    note = "; measured only, since a later window was monitored: nothing is requested"
    return Completed(
        message=f"version {window.champion.version}: {summarise_verdicts(rows)}{note * is_past}"
    )
