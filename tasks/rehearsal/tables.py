"""Results of a rehearsal as tables and sentences, for the terminal and the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from configs.clock import write_duration
from tasks.rehearsal.day_pool import DAY
from tasks.rehearsal.rates import CONFIDENCE, MeasuredRate
from tasks.rehearsal.run import RESAMPLES, Rehearsal
from tasks.rehearsal.stated_delays import WindowDelay
from tasks.reporting.formats import MISSING, format_interval, format_share, format_value
from tasks.reporting.table import Cell, CellStyle, Column, Table, build_table


def describe_rehearsal(rehearsal: Rehearsal) -> str:
    """Describe the days that were resampled."""
    return (
        f"version {rehearsal.version}, {rehearsal.rows:,} judged rows of {rehearsal.days} days "
        f"({rehearsal.start:%Y-%m-%d} to {rehearsal.end:%Y-%m-%d}), drawn in blocks of "
        f"{rehearsal.block_days} days; {rehearsal.histories} histories"
    )


def tabulate_rehearsal(rehearsal: Rehearsal) -> list[Table]:
    """Return the tables of false alarms, gate, bake window and detected faults."""
    groups = (
        ("false alarms of a year in which nothing changes", rehearsal.alarms),
        ("gate", rehearsal.gate),
        ("bake window", rehearsal.rollbacks),
        ("planted faults", rehearsal.detection),
    )
    tables = [_tabulate_rates(title, rates) for title, rates in groups if rates]
    return [*tables, _tabulate_windows(rehearsal.windows)] if rehearsal.windows else tables


def list_remarks(rehearsal: Rehearsal) -> Iterator[str]:
    """Yield what a reader must know before trusting the rates."""
    yield f"Intervals have {format_share(CONFIDENCE)} confidence, for the number of histories."
    yield (
        "The days are few, so the rates hold for days like these. A season that they lack, or a "
        "change that they contain, is not rehearsed."
    )
    yield (
        f"Equal models are made of the champion and {rehearsal.twin}, which change places from "
        "day to day by a coin. A worse model has predictions mixed with those of other rows."
    )
    yield (
        f"Intervals of gate and bake window used {RESAMPLES} resamples. Latency, memory, doubts, "
        "rollout stages, volumes and deadlines are not rehearsed, nor are scheduled trainings."
    )


def _tabulate_rates(title: str, rates: Sequence[MeasuredRate]) -> Table:
    has_delays = any(rate.delays for rate in rates)
    columns: list[str | Column] = ["what", Column("measured", "right"), Column("stated", "right")]
    columns += [Column("days, 50%", "right"), Column("days, 80%", "right")] if has_delays else []
    rows = [
        (
            rate.subject,
            Cell(_format_rate(rate), _find_style(rate)),
            _format_stated(rate),
            *(_format_delays(rate) if has_delays else ()),
        )
        for rate in rates
    ]
    return build_table(columns, rows, title)


def _tabulate_windows(windows: Sequence[WindowDelay]) -> Table:
    """Return the delay of a loss for calibrated rules of other windows."""
    titles = ("false alarms a year", "limit", "loss", "80% find it within")
    columns: list[str | Column] = ["metric", "window"]
    columns += [Column(title, "right") for title in titles]
    rows = [
        (
            each.metric,
            write_duration(each.window),
            f"{each.limit.false_alarms:g}",
            f"{each.limit.limit:.4g}",
            format_value(each.limit.loss),
            MISSING
            if each.limit.detection_days is None
            else write_duration(each.limit.detection_days * DAY),
        )
        for each in windows
    ]
    return build_table(columns, rows, "windows of calibrated rules")


def _format_rate(rate: MeasuredRate) -> str:
    if rate.unit == "a year":
        return f"{format_interval(rate.rate, rate.low, rate.high, 2)} a year"
    low, high = format_share(rate.low, 1), format_share(rate.high, 1)
    return f"{format_share(rate.rate, 1)} [{low}, {high}]"


def _format_stated(rate: MeasuredRate) -> str:
    if rate.stated is None:
        return MISSING
    if rate.unit == "a year":
        return f"{rate.stated:g} a year"
    return f"{format_share(rate.stated, 1)} or {'more' if rate.is_least else 'less'}"


def _format_delays(rate: MeasuredRate) -> list[str]:
    delays = rate.delays or (None, None)
    return [MISSING if each is None else f"{each:g}" for each in delays]


def _find_style(rate: MeasuredRate) -> CellStyle:
    return "bad" if rate.is_missed else "plain"
