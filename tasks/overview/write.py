"""Writing of the overview: each model's page and summary, then the page of all models.

A run writes the page and the summary of its own model, and the page of all models from the
summaries of all. So no run reads another model's data, and a broken model stops no other's pages.
Each file is replaced in one step. Of two runs at once, the one that writes the page of all models
last looks again at the summaries, and writes once more if one of them is newer.
"""

from __future__ import annotations

from datetime import datetime

from configs.errors import MainspringError
from configs.schema.loading import all_use_cases
from configs.schema.use_case import UseCase
from configs.settings import settings
from infra.fault_injection import effect
from tasks.overview.facts import NEVER, read_model_facts
from tasks.overview.pages import plotly_name, render_index, render_model
from tasks.overview.summary import (
    build_broken_summary,
    build_summary,
    read_summaries,
    read_summary,
    write_summary,
)
from tasks.overview.trends import build_kpi_trend, build_trend, list_shown_metrics
from tasks.storage import files

_MOST_ROUNDS = 5  # of runs that keep changing the summaries; the last of them writes the page


def write_overview(use_case: UseCase, as_of: datetime | None) -> str:
    """Write a model's page and the page of all models; return the address of the latter.

    If the facts of the model cannot be read, the page of all models says so, and the error is
    raised.

    Args:
        use_case: the model.
        as_of: time of the run; None if it has none.
    """
    try:
        write_model_page(use_case, as_of)
    finally:
        address = write_index()
    return address


def write_all_overviews(as_of: datetime | None) -> dict[str, Exception]:
    """Write the pages of all models; return the error of each one whose facts cannot be read."""
    failed = {}
    for use_case in all_use_cases().sound:
        try:
            write_model_page(use_case, as_of)
        except Exception as error:  # noqa: BLE001 - of one model; the others have their pages
            failed[use_case.name] = error
    write_index()
    return failed


def write_model_page(use_case: UseCase, as_of: datetime | None) -> str:
    """Write the page and the summary of a model; return the address of the page.

    Args:
        use_case: the model.
        as_of: time of the run; None if it has none.
    """
    before = read_summary(use_case.name)
    at = max(as_of or NEVER, before.moment if before else NEVER)  # a run of the past moves nothing
    try:
        facts = read_model_facts(use_case, at)
        metrics = list_shown_metrics(use_case)
        trends = [build_trend(use_case, facts.measured, metric) for metric in metrics]
        trends += [build_kpi_trend(use_case, facts.measured, name) for name in use_case.kpis]
        summary = build_summary(facts, trends)
        page = render_model(facts, summary, trends)
    except Exception as error:
        reason = str(error) if isinstance(error, MainspringError) else repr(error)
        write_summary(build_broken_summary(use_case.name, use_case.title, reason, at))
        raise
    address = f"{settings().reports}/{use_case.name}/index.html"
    _write_chart_library()
    with effect("write the page of a model"):
        files.write_file(address, page.encode())
    with effect("write the summary of a model"):
        write_summary(summary)
    return address


def write_index() -> str:
    """Write the page of all models from their summaries; return its address."""
    address = f"{settings().reports}/index.html"
    summaries = read_summaries()
    for _ in range(_MOST_ROUNDS):
        use_cases = all_use_cases()
        titles = {use_case.name: use_case.title for use_case in use_cases.sound}
        page = render_index(summaries, titles, use_cases.broken)
        with effect("write the page of all models"):
            files.write_file(address, page.encode())
        newest = read_summaries()
        if newest == summaries:
            break
        summaries = newest
    return address


def _write_chart_library() -> None:
    """Write the chart library beside the page of all models, once a version."""
    address = f"{settings().reports}/{plotly_name()}"
    if not files.file_exists(address):
        from plotly.offline import get_plotlyjs

        files.write_file(address, get_plotlyjs().encode())
