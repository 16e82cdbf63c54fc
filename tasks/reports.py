"""What people look at: Evidently's HTML on a sample, one picture, and Prefect artifacts.

Nothing here decides anything: Evidently's own tests cry wolf on small samples, so its report
shows distributions, and the verdicts are those of the monitoring table.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl
from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from configs.settings import settings
from configs.use_case import UseCase
from tasks import features, files
from tasks.kinds import kind_of
from tasks.ledger import Entry
from tasks.markdown import inline, table
from tasks.monitoring import VERDICTS, counted
from tasks.plots import COLOURS, INK, dates, mark, png, tidy
from tasks.registry import Model, predict
from tasks.window import predicted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BARS = 18
TABLE_ROWS = 25


def address_of(use_case: UseCase, as_of: datetime, suffix: str) -> str:
    """Where a report of the use case's monitor is."""
    return f"{settings().reports}/{use_case.name}/monitor/{as_of:%Y-%m-%dT%H%M}.{suffix}"


def reference_sample(use_case: UseCase, model: Model, as_of: datetime) -> pl.DataFrame:
    """Some of the rows that the model's reference profile is made of, built again from the lake.

    At most monitor.report_rows rows: the inputs, and the model's score.
    """
    span = model.card.reference
    asked = features.spine(use_case, span.start, span.end, as_of)
    rows = features.historical(use_case, sample(use_case, asked))
    return rows.with_columns(kind_of(use_case).scores(predict(model, rows)))


def current_sample(use_case: UseCase, model: Model, as_of: datetime) -> pl.DataFrame:
    """Some of the rows of the monitored window that were predicted: the inputs, and their score."""
    span = (as_of - use_case.monitor.window, as_of)
    rows = predicted(use_case, model.version, span, as_of)
    return features.historical(use_case, sample(use_case, rows))


def sample(use_case: UseCase, rows: pl.DataFrame) -> pl.DataFrame:
    """At most monitor.report_rows of the rows, the same ones every time, in their own order."""
    wanted = min(use_case.monitor.report_rows, rows.height)
    return rows.with_row_index().sample(wanted, seed=use_case.seed).sort("index").drop("index")


def evidently_html(use_case: UseCase, current: pl.DataFrame, reference: pl.DataFrame) -> str:
    """Evidently's drift report of the inputs and the score of two frames, as one HTML page."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numeric = [*use_case.features.numeric, *kind_of(use_case).scored]
    categorical = list(use_case.features.categorical)
    columns = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
    now, then = (
        Dataset.from_pandas(
            rows.select(pl.col(numeric).cast(pl.Float64), *categorical).to_pandas(), columns
        )
        for rows in (current, reference)
    )
    drift = DataDriftPreset(num_method="psi", cat_method="psi", include_tests=False)
    page: str = Report([drift]).run(now, then).get_html_str(as_iframe=False)
    return page


def worst(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a verdict, worst first: pages, tickets, what informs, drift near its limit."""
    rank = pl.col("verdict").replace_strict({name: i for i, name in enumerate(VERDICTS)})
    ratio = pl.when(kind="drift").then(pl.col("value") / pl.col("threshold"))
    judged = rows.filter(pl.col("verdict").is_not_null())
    return judged.sort(rank, ratio, descending=[False, True], nulls_last=True, maintain_order=True)


def markdown(title: str, rows: pl.DataFrame) -> str:
    """The worst numbers as a Markdown table."""
    shown = worst(rows).head(TABLE_ROWS)
    columns = ("verdict", "kind", "subject", "value", "reference", "threshold", "coverage", "rows")
    cells = [
        {name: "" if value is None else value for name, value in row.items()}
        for row in shown.select(columns).to_dicts()
    ]
    return f"## {title}\n\n{counted(rows)}\n\n{table(cells)}\n"


def picture(title: str, history: pl.DataFrame, entries: Sequence[Entry]) -> bytes:
    """Each performance rule over time, and the last window's drift against its thresholds (PNG).

    `history` holds rows of the monitoring table; `entries` are marked where they fell.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    judged = history.filter(pl.col("kind") == "performance", pl.col("threshold").is_not_null())
    subjects = judged["subject"].unique().sort().to_list()
    first: Any = history["as_of"].min()
    figure = pyplot.figure(figsize=(13, max(5.4, 2.5 * len(subjects))), layout="constrained")
    grid = figure.add_gridspec(max(len(subjects), 1), 2, width_ratios=[1.75, 1])
    for place, subject in enumerate(subjects):
        axes = figure.add_subplot(grid[place, 0])
        _rule(axes, history, subject)
        mark(axes, entries, first, named=place == 0)
    _drift(figure.add_subplot(grid[:, 1] if subjects else grid[:, :]), history)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, color=INK, weight="bold")
    drawn = png(figure, dpi=110)
    pyplot.close(figure)
    return drawn


def _rule(axes: Axes, history: pl.DataFrame, subject: str) -> None:
    """One rule: its value by window, the champion's holdout, and where it pages (shaded)."""
    rows = history.filter(pl.col("subject") == subject).sort("as_of")
    times: Any = rows["as_of"].to_list()
    metric, _, length = subject.rpartition("_")
    weeks = history.filter(pl.col("subject") == metric).sort("as_of").drop_nulls("value")
    at: Any = weeks["as_of"].to_list()
    axes.plot(at, weeks["value"], ".", color="#a9b1bb", markersize=5, label="one window")
    axes.plot(times, rows["value"], color=INK, linewidth=1.6, label=f"last {length}", zorder=3)
    axes.scatter(times, rows["value"], s=26, zorder=4, color=[COLOURS[v] for v in rows["verdict"]])
    axes.step(times, rows["reference"], "--", color="#6b7280", linewidth=1, label="holdout")
    low, high = axes.get_ylim()
    for edge, beyond in _limits(metric, rows):
        end = max(high, *edge) if beyond > 0 else min(low, *edge)
        axes.fill_between(times, edge, end, step="pre", color=COLOURS["page"], alpha=0.09, lw=0)
    dates(axes)
    tidy(axes, f"{metric.replace('_', ' ')}, last {length}")
    axes.legend(loc="best", fontsize=8, framealpha=0.85, edgecolor="none")


def _limits(metric: str, rows: pl.DataFrame) -> list[tuple[list[float], int]]:
    """The edges of what pages, and on which side of them it does: +1 above, -1 below."""
    above = rows["threshold"].to_list()
    if metric == "calibration_gap":
        return [(above, 1), ([-value for value in above], -1)]
    return [(above, 1 if above[-1] > rows["reference"][-1] else -1)]


def _drift(axes: Axes, history: pl.DataFrame) -> None:
    """PSI of the last window as a multiple of each column's own threshold, the largest on top."""
    last = history.filter(pl.col("kind") == "drift", pl.col("as_of") == pl.col("as_of").max())
    ratio = (pl.col("value") / pl.col("threshold")).alias("ratio")
    rows = last.with_columns(ratio).sort("ratio").tail(BARS)
    tidy(axes, "drift in the last window, PSI / threshold")
    if rows.is_empty():
        return
    axes.barh(rows["subject"], rows["ratio"], color=[COLOURS[v] for v in rows["verdict"]])
    axes.axvline(1, color=COLOURS["page"], linewidth=1.1)
    axes.set_xlim(0, max(1.15, 1.05 * float(rows["ratio"].max() or 0)))  # type: ignore[arg-type]
    axes.tick_params(axis="y", length=0)


@task(task_run_name="Evidently report", cache_policy=NO_CACHE)
def publish_evidently(use_case: UseCase, model: Model, as_of: datetime) -> str:
    """Write Evidently's report of the monitored window and link it from the run."""
    address = address_of(use_case, as_of, "html")
    current = current_sample(use_case, model, as_of)
    page = evidently_html(use_case, current, reference_sample(use_case, model, as_of))
    files.write(address, page.encode())
    create_link_artifact(
        link=files.link(address),
        link_text=f"Distributions of {use_case.name} up to {as_of:%Y-%m-%d}",
        key=f"{use_case.slug}-distributions",
        description=address,
    )
    return address


@task(task_run_name="table of numbers", cache_policy=NO_CACHE)
def publish_numbers(use_case: UseCase, rows: pl.DataFrame, as_of: datetime) -> None:
    """Show the numbers of `as_of` as a table, beside the run."""
    said = markdown(_title(use_case, as_of), rows)
    create_markdown_artifact(said, key=f"{use_case.slug}-numbers")


@task(task_run_name="picture", cache_policy=NO_CACHE)
def publish_picture(
    use_case: UseCase, history: pl.DataFrame, entries: Sequence[Entry], as_of: datetime
) -> str:
    """Draw the history up to `as_of`, as a file and beside the run."""
    address, title = address_of(use_case, as_of, "png"), _title(use_case, as_of)
    drawn = picture(title, history, entries)
    files.write(address, drawn)
    show_picture(use_case, drawn, "picture", title)
    return address


def show_picture(use_case: UseCase, drawn: bytes, name: str, title: str) -> None:
    """Make a PNG an artifact that the Prefect UI shows, with the key <use case>-<name>."""
    create_markdown_artifact(f"![{title}]({inline(drawn)})", key=f"{use_case.slug}-{name}")


def _title(use_case: UseCase, as_of: datetime) -> str:
    return f"{use_case.name} up to {as_of:%Y-%m-%d %H:%M} UTC"
