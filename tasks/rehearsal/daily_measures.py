"""What the monitor measures of drawn days: metrics of its rules, and rows by bin of each input.

With a fault, the days 0 to n - 1 are clean, and the days n to 2 n - 1 are the same with the fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from tasks.evaluation.alarms.resampled_years import DailyMetric, Indexes, count_days, measure_daily
from tasks.evaluation.bootstrap import Predictions
from tasks.evaluation.metrics import Floats
from tasks.models.reference_profile import ReferenceProfile
from tasks.monitoring import data_contract, drift, performance
from tasks.monitoring.measurements import Measurement
from tasks.rehearsal.day_pool import DAY, HISTORY_START, DayPool
from tasks.rehearsal.faults import Fault, list_judged_inputs


@dataclass(frozen=True)
class DailyMeasures:
    """Measures of the days of a pool.

    Attributes:
        pool: the clean days.
        metrics: of each performance rule, by subject, as a function of counts of days.
        counts: rows of each judged input by day and bin, (days, bins).
        reference: the champion's profile of these inputs.
        days: number of days, clean and faulty ones.
    """

    pool: DayPool
    metrics: dict[str, DailyMetric]
    counts: dict[str, Floats]
    reference: ReferenceProfile
    days: int

    def measure_windows(self, history: Indexes, first: int) -> Iterator[list[Measurement]]:
        """Yield the measurements of each monitored window of a history.

        Args:
            history: its days.
            first: number of days before the first window ends.
        """
        use_case = self.pool.use_case
        step = max(1, round(use_case.monitor.step / DAY))
        ends = np.arange(first, len(history) + 1, step)
        values = {
            rule.subject: self.metrics[rule.subject].measure(
                self._count_windows(history, ends, rule.window)
            )
            for rule in use_case.monitor.performance
        }
        windows = self._count_windows(history, ends, use_case.monitor.window)
        by_bin = {name: windows @ counts for name, counts in self.counts.items()}
        for place, end in enumerate(ends):
            at = HISTORY_START + int(end) * DAY
            of_rules = {subject: float(each[place]) for subject, each in values.items()}
            yield [
                *self._judge_rules(of_rules, at),
                *self._judge_inputs({name: each[place] for name, each in by_bin.items()}, at),
            ]

    def _count_windows(self, history: Indexes, ends: Indexes, length: timedelta) -> Floats:
        width = max(1, round(length / DAY))
        windows = np.lib.stride_tricks.sliding_window_view(history, width)[ends - width]
        return count_days(windows, self.days)

    def _judge_rules(self, values: dict[str, float], at: datetime) -> Iterator[Measurement]:
        use_case, card = self.pool.use_case, self.pool.judged.model.card
        for rule in use_case.monitor.performance:
            value = values[rule.subject]
            known = value if np.isfinite(value) else None
            yield performance.judge_rule(use_case, rule, known, card.holdout, at, card.limits)

    def _judge_inputs(self, counts: dict[str, Floats], at: datetime) -> list[Measurement]:
        if not counts:
            return []
        use_case = self.pool.use_case
        whole = {name: each.astype(np.int64) for name, each in counts.items()}
        drifts = drift.compare_counts([whole], self.reference)
        return [
            *data_contract.measure_nulls(use_case, drifts, at),
            *drift.judge_drift(use_case, drifts, at),
        ]


def build_daily_measures(pool: DayPool, fault: Fault | None = None) -> DailyMeasures:
    """Measure the days of a pool: clean ones, and those with a fault after them.

    With a fault, only the input that it hits is measured: the others stay as they are.
    """
    use_case, judged = pool.use_case, pool.judged
    names = list_judged_inputs(pool)
    if fault is not None:
        names = [] if fault.column is None else [fault.column]
    profile = judged.model.card.reference
    kept = {name: column for name, column in profile.columns.items() if name in names}
    reference = profile.model_copy(update={"columns": kept})
    rows, predictions = _append_faulty_rows(pool, fault)
    metrics = {
        rule.subject: measure_daily(use_case, rule, rows, predictions)
        for rule in use_case.monitor.performance
    }
    parts = [judged.rows] if fault is None or fault.rows is None else [judged.rows, fault.rows]
    counts = {name: _count_by_day(pool, reference, name, parts) for name in names}
    return DailyMeasures(pool, metrics, counts, reference, pool.days * (1 if fault is None else 2))


def _append_faulty_rows(pool: DayPool, fault: Fault | None) -> tuple[pl.DataFrame, Predictions]:
    """Return label and time of the rows and their predictions; the faulty days follow."""
    use_case, clean = pool.use_case, pool.judged.predictions
    time = use_case.spine.time
    rows = pool.judged.rows.select(use_case.label.column, time)
    if fault is None:
        return rows, clean
    later = rows.with_columns(pl.col(time) + pool.days * DAY)
    faulty = fault.predictions
    both = Predictions(
        np.concatenate([clean.value, faulty.value]),
        np.concatenate([clean.decision, faulty.decision]),
    )
    return pl.concat([rows, later]), both


def _count_by_day(
    pool: DayPool, reference: ReferenceProfile, name: str, parts: list[pl.DataFrame]
) -> Floats:
    bins, day = reference.columns[name].bins, pool.compared.day
    shape = (pool.days, bins.size)
    codes = [day * bins.size + bins.assign_bins(rows[name]) for rows in parts]
    counts = [np.bincount(each, minlength=pool.days * bins.size).reshape(shape) for each in codes]
    return np.concatenate(counts).astype(np.float64)
