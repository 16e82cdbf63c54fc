"""Monitoring reports: Evidently's HTML on a sample, and the measurements in Markdown.

Reports decide nothing. Evidently's own tests raise false alarms on small samples. So its report
shows distributions of a sample, and the drift of each column as the monitor measured it on all
rows: by the reference, bins and limit of the model's card.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from html import escape
from typing import Any

import polars as pl

from configs.foreign_text import neutralise_text
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.evaluation.problem_types import problem_type_of
from tasks.features import retrieval
from tasks.models.reference_profile import ReferenceProfile
from tasks.models.registry import Model, predict
from tasks.monitoring.measurements import MEASUREMENT_VERDICTS
from tasks.monitoring.window import read_predicted_rows
from tasks.reporting.formats import format_share
from tasks.reporting.html import restrict_page
from tasks.reporting.markdown import escape_markdown, render_markdown
from tasks.reporting.table import SEVERITY_STYLES, Cell, build_record_table

USUAL_LIMIT = 0.25  # of PSI; the books call more a large change
_METHOD = "PSI of all rows, by Mainspring's reference and bins"
_HEADER_STYLE = "font-family:system-ui,sans-serif;max-width:70rem;margin:1rem auto;padding:0 1rem"
DRIFT_ROWS, NAMES_SHOWN = 5, 30
_WORDS = {"page": "alert", "ticket": "ticket", "inform": "note", "ok": "ok"}
_LIMITS = (
    "Drift is the PSI against the training rows. A limit comes from the weeks of that span, "
    "so inputs with seasons have high limits."
)
_DATA_LINE = re.compile(r"^\s*var (?:additional_graphs_)?metric_[0-9a-f]{32} = .*$", re.MULTILINE)
_INDEX = "__index"


@dataclass(frozen=True)
class ReportHeader:
    """Title, explanation and notes of an Evidently report."""

    title: str
    text: str = ""
    notes: tuple[str, ...] = ()


def build_report_address(use_case: UseCase, as_of: datetime, suffix: str) -> str:
    """Return the address of a monitoring report.

    Args:
        use_case: the use case.
        as_of: end of the monitored window.
        suffix: file type without a dot, for example html.
    """
    return f"{settings().reports}/{use_case.name}/monitor/{as_of:%Y-%m-%dT%H%M}.{suffix}"


def sample_reference_rows(use_case: UseCase, model: Model, as_of: datetime) -> pl.DataFrame:
    """Return a sample of the reference rows, rebuilt from the lake: inputs and the model's score.

    It has at most `monitor.report_rows` rows.
    """
    span = model.card.reference
    spine = retrieval.build_spine(use_case, span.start, span.end, as_of)
    rows = retrieval.join_features(use_case, sample_rows(use_case, spine))
    names = span.score_names(use_case.features.inputs)
    values = predict(model, rows)
    return rows.with_columns(problem_type_of(use_case).to_score_columns(values, names))


def sample_current_rows(use_case: UseCase, model: Model, as_of: datetime) -> pl.DataFrame:
    """Return a sample of the predicted rows of the monitored window: inputs and score."""
    span = (as_of - use_case.monitor.window, as_of)
    names = model.card.reference.score_names(use_case.features.inputs)
    rows = read_predicted_rows(use_case, model.version, span, as_of, names)
    return retrieval.join_features(use_case, sample_rows(use_case, rows))


def sample_rows(use_case: UseCase, rows: pl.DataFrame) -> pl.DataFrame:
    """Return at most `monitor.report_rows` rows in their order; the same ones for the same seed."""
    count = min(use_case.monitor.report_rows, rows.height)
    return rows.with_row_index(_INDEX).sample(count, seed=use_case.seed).sort(_INDEX).drop(_INDEX)


def render_evidently(
    use_case: UseCase,
    scores: Sequence[str],
    current: pl.DataFrame,
    reference: pl.DataFrame,
    measured: pl.DataFrame,
    header: ReportHeader,
) -> str:
    """Return Evidently's drift report of inputs and score as one HTML page.

    Args:
        use_case: names of the inputs.
        scores: names of the model's scores.
        current: rows of the monitored window.
        reference: rows of the reference span.
        measured: measurements of the window, with the PSI and limit of each column.
        header: title and notes of the page.
    """
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numeric = [*use_case.features.numeric, *scores]
    categorical = list(use_case.features.categorical)
    columns = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
    now, then = (
        Dataset.from_pandas(
            rows.select(pl.col(numeric).cast(pl.Float64), *categorical).to_pandas(), columns
        )
        for rows in (current, reference)
    )
    drifts = measured.filter(pl.col("kind") == "drift", pl.col("value").is_not_null())
    limits = dict(drifts.select("subject", "threshold").iter_rows())
    methods = _register_measured_drift(dict(drifts.select("subject", "value").iter_rows()))
    drift = DataDriftPreset(
        num_method="psi",
        cat_method="psi",
        per_column_method=methods,
        per_column_threshold=limits,
        include_tests=False,
    )
    page = _escape_data(Report([drift]).run(now, then).get_html_str(as_iframe=False))
    return restrict_page(_add_header(page, header))


def _register_measured_drift(psis: Mapping[str, float]) -> dict[str, Any]:
    """Give Evidently a statistical test for each column that returns the PSI as it was measured."""
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    kinds = [ColumnType.Numerical, ColumnType.Categorical]
    methods = {}
    for place, (column, psi) in enumerate(psis.items()):
        test = StatTest(f"mainspring_psi_{place}", _METHOD, kinds)
        register_stattest(test, partial(_return_psi, psi))
        methods[column] = test
    return methods


def _return_psi(psi: float, _then: object, _now: object, _kind: object, limit: float) -> Any:  # noqa: ANN401
    """Return a PSI and whether it is above its limit, as Evidently's tests do."""
    return psi, psi > limit


def describe_unusual_limits(measured: pl.DataFrame, reference: ReferenceProfile) -> list[str]:
    """Return a line for each column whose limit is far from the usual ones, with the reason.

    Args:
        measured: measurements of the window.
        reference: the champion's profile.
    """
    unusual = measured.filter(pl.col("kind") == "drift", pl.col("threshold") > USUAL_LIMIT)
    lines = []
    for column, limit in (
        unusual.sort("threshold", descending=True).select("subject", "threshold").iter_rows()
    ):
        why = reference.columns[column].informs if column in reference.columns else ""
        reason = "windows of its training span differ by nearly as much"
        lines.append(f"{column}: limit {limit:.2f}, since {why or reason}")
    return lines


def build_report_header(
    use_case: UseCase, model: Model, measured: pl.DataFrame, as_of: datetime
) -> ReportHeader:
    """Return the header of the Evidently report of a window.

    Args:
        use_case: the use case.
        model: the champion.
        measured: measurements of the window.
        as_of: end of the window.
    """
    start = as_of - use_case.monitor.window
    return ReportHeader(
        title=f"{use_case.name}, {start:%Y-%m-%d} to {as_of:%Y-%m-%d}: distributions",
        text=(
            f"Drift is measured by Mainspring: reference, bins and limits of version "
            f"{model.version}, on all rows. The pictures show a sample of at most "
            f"{use_case.monitor.report_rows:,} rows."
        ),
        notes=tuple(describe_unusual_limits(measured, model.card.reference)),
    )


def _add_header(page: str, header: ReportHeader) -> str:
    """Return Evidently's page with a title, and with a header above the report."""
    notes = "".join(f"<li>{escape(neutralise_text(note))}</li>" for note in header.notes)
    why = f"<details><summary>Limits above {USUAL_LIMIT:g}</summary><ul>{notes}</ul></details>"
    title = escape(neutralise_text(header.title))
    top = (
        f'<header style="{_HEADER_STYLE}"><p><a href="../index.html">all windows</a></p>'
        f"<h1>{title}</h1><p>{escape(neutralise_text(header.text))}</p>{why if notes else ''}"
        "</header>"
    )
    page = re.sub(r"<title>.*?</title>", "", page, count=1, flags=re.DOTALL)
    page = page.replace("<head>", f"<head><title>{title}</title>", 1)
    return re.sub(r"<body[^>]*>", lambda match: match[0] + top, page, count=1)


def _escape_data(page: str) -> str:
    """Return Evidently's page with its data escaped: a value may contain `</script>`.

    The data are two JSON texts, each a line of its own.
    """
    escaped, count = _DATA_LINE.subn(lambda line: line[0].replace("<", r"\u003c"), page, count=2)
    if count != 2:
        raise ValueError("Evidently's page has no data lines as expected; its version is too new")
    return escaped


def sort_by_severity(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with a verdict, highest severity first, then drift nearest to its limit."""
    rank = pl.col("verdict").replace_strict(
        {name: i for i, name in enumerate(MEASUREMENT_VERDICTS)}
    )
    ratio = pl.when(kind="drift").then(pl.col("value") / pl.col("threshold"))
    judged = rows.filter(pl.col("verdict").is_not_null())
    return judged.sort(rank, ratio, descending=[False, True], nulls_last=True, maintain_order=True)


def render_measurements(title: str, rows: pl.DataFrame) -> str:
    """Return the measurements in Markdown: performance first, then data, then drift.

    Of data and drift, what is within its limits is named in one line; of drift, the inputs nearest
    to their limits are shown too.
    """
    judged = sort_by_severity(rows)
    performance = rows.filter(pl.col("kind").is_in(["performance", "bake"]))
    parts = [
        f"## {escape_markdown(title)}",
        summarise_verdicts(rows),
        *_render_group("Performance", sort_by_severity(performance), performance.height),
        *_render_group("Data", judged.filter(kind="contract"), 0),
        *_render_group("Requests", judged.filter(kind="online"), 0),
        *_render_group("Drift", judged.filter(kind="drift"), DRIFT_ROWS),
    ]
    return "\n\n".join([*parts, f"*{_LIMITS}*"]) + "\n"


def _render_group(title: str, rows: pl.DataFrame, least: int) -> list[str]:
    """Return a heading, a table and a line on the rest; nothing without rows.

    Args:
        title: the heading.
        rows: the rows, highest severity first.
        least: the number of rows that are shown even if they are within their limits.
    """
    if rows.is_empty():
        return []
    count = max(least, rows.filter(pl.col("verdict") != "ok").height)
    shown, rest = rows.head(count), rows[count:]["subject"].to_list()
    records = [_describe_row(row) for row in shown.to_dicts()]
    table = [render_markdown(build_record_table(records))] if records else []
    names = escape_markdown(", ".join(rest[:NAMES_SHOWN]))
    more = f" and {len(rest) - NAMES_SHOWN} more" if len(rest) > NAMES_SHOWN else ""
    within = [f"{len(rest)} more within their limits: {names}{more}"] if rest else []
    return [f"### {title}", *table, *within]


def _describe_row(row: dict[str, Any]) -> dict[str, object]:
    """Return a measurement as cells, its verdict first; drift has no reference value."""
    shown = {
        "verdict": Cell(_WORDS[row["verdict"]], SEVERITY_STYLES[row["verdict"]]),
        "measured": row["subject"],
        "value": row["value"],
        "limit": row["threshold"],
    }
    if row["kind"] != "drift":
        shown |= {"at training": row["reference"], "labels known": format_share(row["coverage"])}
    return shown | {"rows": row["rows"]}


def summarise_verdicts(rows: pl.DataFrame) -> str:
    """Return the number of alerts, notes and fine values, and the subjects of the alerts."""
    alerts = rows.filter(pl.col("verdict") == "page")["subject"].to_list()
    counts = dict(rows["verdict"].drop_nulls().value_counts().rows())
    notes = counts.get("ticket", 0) + counts.get("inform", 0)
    named = f" ({', '.join(alerts[:3])}{'…' if alerts[3:] else ''})" if alerts else ""
    return (
        f"{len(alerts)} {'alert' if len(alerts) == 1 else 'alerts'}{named}, "
        f"{notes} {'note' if notes == 1 else 'notes'}, {counts.get('ok', 0)} fine"
    )


def format_report_title(use_case: UseCase, as_of: datetime) -> str:
    """Return the title of a report."""
    return f"{use_case.name} up to {as_of:%Y-%m-%d %H:%M} UTC"
