"""The monitoring functions as Prefect tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from prefect import get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from configs.errors import NoChampion
from configs.schema.use_case import UseCase
from tasks.ledger.causes import FRESHNESS_KIND, LOST_KIND
from tasks.ledger.descriptions import describe_evidence, read_reason
from tasks.ledger.evidence import EpisodeOpened, Notified, read_evidence
from tasks.ledger.log import Entry, Ledger, open_ledger
from tasks.ledger.projections import list_unclaimed_alerts
from tasks.ledger.state import read_ledger_state
from tasks.models.registry import Model
from tasks.monitoring import measurements, notifications, window
from tasks.monitoring.freshness import find_freshness_changes, find_latest_arrivals
from tasks.monitoring.history_chart import draw_monitoring_chart
from tasks.monitoring.limits import renewal
from tasks.monitoring.lost_rows import find_lost_row_changes
from tasks.monitoring.measurements import MONITORING_TABLE, build_measurement_rows, count_severities
from tasks.monitoring.profiles import whylogs_profile
from tasks.monitoring.report import (
    build_report_address,
    build_report_header,
    format_report_title,
    render_evidently,
    render_measurements,
    sample_current_rows,
    sample_reference_rows,
    summarise_verdicts,
)
from tasks.monitoring.requests import send_requests
from tasks.monitoring.retrain_alerts import record_window_changes
from tasks.monitoring.window import MonitoredWindow
from tasks.orchestration.events import announce_lost_rows
from tasks.orchestration.retries import RETRY_TRANSIENT
from tasks.reporting.markdown import escape_markdown, inline_image
from tasks.storage import files
from tasks.storage.file_records import read_file_records
from tasks.storage.lake import Lake, open_lake


@task(task_run_name="raise alerts", **RETRY_TRANSIENT)
def raise_alerts(
    book: Ledger, use_case: UseCase, rows: pl.DataFrame, as_of: datetime
) -> list[Entry]:
    """Record changes of episodes and a due alert, send unclaimed alerts; return the new entries.

    An alert is sent until a run claims it. So a run that was killed between ledger and event
    completes when it runs again.

    Args:
        book: the ledger.
        use_case: rules and cooldown.
        rows: measurements of the window that ends at `as_of`.
        as_of: end of the window.
    """
    new = record_window_changes(book, use_case, rows, as_of)
    for entry in new:
        get_run_logger().warning("%s: %s: %s", entry.what, entry.key, describe_evidence(entry))
    send_requests(list_unclaimed_alerts(book.entries(use_case.name)))
    return new


@task(task_run_name="renew limits", cache_policy=NO_CACHE)
def renew_limits(book: Ledger, use_case: UseCase, model: Model, as_of: datetime) -> Entry | None:
    """Run `renew_limits` as a Prefect task and log the limits.

    Args:
        book: the ledger.
        use_case: the rules.
        model: the champion.
        as_of: end of the monitored window.
    """
    entry = renewal.renew_limits(book, use_case, model, as_of)
    if entry is not None:
        get_run_logger().info("limits from %s: %s", read_reason(entry), entry.evidence)
    return entry


@task(task_run_name="save measurements", cache_policy=NO_CACHE)
def save_measurements(lake: Lake, rows: pl.DataFrame, as_of: datetime) -> None:
    """Run `save_measurements` as a Prefect task and log the severities."""
    version = measurements.save_measurements(lake, rows, as_of)
    get_run_logger().info(
        "%s measurements in %s@%s: %s",
        rows.height,
        MONITORING_TABLE,
        version,
        count_severities(rows),
    )


@task(task_run_name="send notifications", cache_policy=NO_CACHE)
def send_due_notifications(use_case: UseCase) -> list[Entry]:
    """Run `send_due_notifications` as a Prefect task and log the outcome."""
    if not use_case.notify:
        return []
    sent, broken = notifications.send_due_notifications(open_ledger(), use_case)
    for entry in sent:
        evidence = read_evidence(entry, Notified)
        get_run_logger().info("notified %s of %s", evidence.block, evidence.entry)
    for block, error in broken.items():
        get_run_logger().error("block %s failed; the next run retries", block, exc_info=error)
    return sent


@task(task_run_name="publish Evidently report", cache_policy=NO_CACHE)
def publish_evidently(use_case: UseCase, model: Model, rows: pl.DataFrame, as_of: datetime) -> str:
    """Write Evidently's report of the monitored window; return its address.

    Args:
        use_case: the use case, with the inputs of the version.
        model: the champion.
        rows: measurements of the window.
        as_of: end of the window.
    """
    address = build_report_address(use_case, as_of, "html")
    current = sample_current_rows(use_case, model, as_of)
    scores = model.card.reference.score_names(use_case.features.inputs)
    reference = sample_reference_rows(use_case, model, as_of)
    header = build_report_header(use_case, model, rows, as_of)
    page = render_evidently(use_case, scores, current, reference, rows, header)
    files.write_file(address, page.encode())
    create_link_artifact(
        link=files.link_to(address),
        link_text=f"Distributions of {use_case.name} up to {as_of:%Y-%m-%d}",
        key=f"{use_case.slug}-distributions",
        description=f"{as_of:%Y-%m-%d}: {header.title}",
    )
    return address


@task(task_run_name="write WhyLogs profile", cache_policy=NO_CACHE)
def write_window_profile(use_case: UseCase, model: Model, as_of: datetime) -> str:
    """Run `write_window_profile` as a Prefect task and log the address."""
    address = whylogs_profile.write_window_profile(use_case, model, as_of)
    get_run_logger().info("WhyLogs profile: %s", files.link_to(address))
    return address


@task(task_run_name="publish measurements", cache_policy=NO_CACHE)
def publish_measurements(use_case: UseCase, rows: pl.DataFrame, as_of: datetime) -> None:
    """Publish the measurements of `as_of` as a table artifact of the run."""
    table = render_measurements(format_report_title(use_case, as_of), rows)
    create_markdown_artifact(
        table,
        key=f"{use_case.slug}-numbers",
        description=f"{as_of:%Y-%m-%d}: {summarise_verdicts(rows)}",
    )


@task(task_run_name="publish history chart", cache_policy=NO_CACHE)
def publish_history_chart(
    use_case: UseCase, history: pl.DataFrame, entries: Sequence[Entry], as_of: datetime
) -> str:
    """Draw the measurements up to `as_of`, as a file and an artifact; return the address."""
    address, title = (
        build_report_address(use_case, as_of, "png"),
        format_report_title(use_case, as_of),
    )
    png = draw_monitoring_chart(title, history, entries)
    files.write_file(address, png)
    publish_image(use_case, png, "picture", title, f"{as_of:%Y-%m-%d}: history of the metrics")
    return address


def publish_image(
    use_case: UseCase, png: bytes, name: str, title: str, description: str = ""
) -> None:
    """Publish a PNG as an artifact with the key <use case>-<name>.

    Args:
        use_case: the use case.
        png: the image.
        name: end of the key.
        title: text that stands for the image.
        description: what a list of artifacts shows.
    """
    image = f"![{escape_markdown(title)}]({inline_image(png)})"
    create_markdown_artifact(image, key=f"{use_case.slug}-{name}", description=description or title)


@task(task_run_name="check freshness", **RETRY_TRANSIENT)
def check_freshness(book: Ledger, use_case: UseCase, as_of: datetime) -> list[Entry]:
    """Record freshness episodes that open or close; return the open ones. Idempotent.

    At a moment in the past, nothing is recorded.
    """
    if measurements.has_later_window(open_lake(use_case.name), as_of):
        get_run_logger().warning("%s is in the past: a later window was monitored", as_of)
        return _list_open(book, use_case, FRESHNESS_KIND, as_of)
    ledger = read_ledger_state(book, use_case.name)
    arrivals = find_latest_arrivals(use_case, ledger, as_of)
    for source, at in arrivals.items():
        get_run_logger().info("latest %s: %s", source, at)
    for entry in find_freshness_changes(use_case, ledger, arrivals, as_of):
        if book.record(entry)[1]:
            get_run_logger().warning("%s: %s: %s", entry.what, entry.key, describe_evidence(entry))
    return _list_open(book, use_case, FRESHNESS_KIND, as_of)


@task(task_run_name="check lost rows", **RETRY_TRANSIENT)
def check_lost_rows(book: Ledger, use_case: UseCase, as_of: datetime) -> list[Entry]:
    """Record episodes of lost rows that open or close; return the open ones. Idempotent."""
    ledger, records = read_ledger_state(book, use_case.name), read_file_records(use_case)
    for entry in find_lost_row_changes(use_case, ledger, records, as_of):
        if book.record(entry)[1]:
            get_run_logger().error("%s: %s: %s", entry.what, entry.key, describe_evidence(entry))
        if entry.what == "episode_opened":
            announce_lost_rows(entry, read_reason(entry))
    return _list_open(book, use_case, LOST_KIND, as_of)


def _list_open(book: Ledger, use_case: UseCase, kind: str, as_of: datetime) -> list[Entry]:
    opened = read_ledger_state(book, use_case.name).at(as_of).open_episodes
    return [entry for entry in opened if read_evidence(entry, EpisodeOpened).kind == kind]


@task(task_run_name="load window", cache_policy=NO_CACHE)
def load_window(
    use_case: UseCase, entries: Sequence[Entry], as_of: datetime
) -> MonitoredWindow | None:
    """Run `load_window` as a Prefect task; without a champion, log a warning and return None."""
    try:
        monitored = window.load_window(use_case, entries, as_of)
    except NoChampion as missing:
        get_run_logger().warning("%s", missing)
        return None
    get_run_logger().info(
        "version %s, champion since %s: %s rows scored; its rules use %s rows, %s of them from "
        "its holdout and gate",
        monitored.champion.version,
        monitored.since,
        monitored.rows,
        monitored.own.height,
        monitored.tested,
    )
    if monitored.missing.height:
        key, at = monitored.missing.row(0)[:-1], monitored.missing.row(0)[-1]
        get_run_logger().error(
            "%s due rows have no prediction, the first one %s at %s. Run score with `window` set "
            "to a duration that reaches back to it",
            monitored.missing.height,
            "/".join(map(str, key)),
            at,
        )
    return monitored


@task(task_run_name="measure window", cache_policy=NO_CACHE)
def measure_window(monitored: MonitoredWindow) -> pl.DataFrame:
    """Run `measure_window` as a Prefect task; return rows of the monitoring table."""
    measured = window.measure_window(monitored)
    return build_measurement_rows(measured, monitored.as_of, monitored.champion.version)
