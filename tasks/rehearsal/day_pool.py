"""Days that histories are made of: the champion's judged rows by day, and draws of them.

Nothing changes in a history that is drawn from one pool of days (moving blocks; H. Kuensch, 1989).
The length of the blocks follows from the autocorrelation of the days. A day keeps its
place in the week, since a week of five Sundays is no week of clean data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import polars as pl

from configs.errors import NoRows
from configs.schema.use_case import UseCase
from tasks.evaluation.alarms.resampled_years import Indexes
from tasks.evaluation.blocks import choose_common_length
from tasks.evaluation.bootstrap import PairedPredictions, Predictions, block_metric
from tasks.evaluation.problem_types import problem_type_of
from tasks.monitoring.limits.judged_rows import JudgedRows

DAY = timedelta(days=1)
MIN_POOL_DAYS, _WEEK = 14, 7
HISTORY_START = datetime.fromisoformat("2001-01-01T00:00:00+00:00")  # any moment will do


@dataclass(frozen=True)
class DrawnRows:
    """Rows of a drawn history in order of their days.

    Attributes:
        place: place of each row in the pool.
        day: day of each row in the history, 0, 1, …
        frame: prediction time, label and columns of the slices; dated from HISTORY_START on.
    """

    place: Indexes
    day: Indexes
    frame: pl.DataFrame

    def before(self, days: int) -> DrawnRows:
        """Return the rows of the first days."""
        count = int(np.searchsorted(self.day, days))
        return DrawnRows(self.place[:count], self.day[:count], self.frame.head(count))


@dataclass(frozen=True)
class ComparedDays:
    """Days from which histories are drawn, with the columns that a comparison reads.

    Attributes:
        use_case: the use case, with the inputs of the champion.
        day: day of each row, 0 to `days` - 1, in order.
        days: number of days.
        block: neighbouring days that are drawn together.
        frame: prediction time, label and columns of the slices.
        holdout: the length of a challenger's holdout.
    """

    use_case: UseCase
    day: Indexes
    days: int
    block: int
    frame: pl.DataFrame
    holdout: timedelta

    def draw(self, random: np.random.Generator, days: int) -> Indexes:
        """Return the days of a history, (days,); the first one is of the weekday of day 0."""
        firsts = np.arange(0, days, self.block)
        choices = (self.days - self.block - firsts % _WEEK) // _WEEK + 1
        starts = firsts % _WEEK + _WEEK * random.integers(0, choices)
        drawn = starts[:, None] + np.arange(self.block)
        return np.asarray(drawn.reshape(-1)[:days])

    def take_rows(self, drawn: Indexes) -> DrawnRows:
        """Return the rows of a drawn history."""
        starts = np.searchsorted(self.day, np.arange(self.days + 1))
        counts = np.diff(starts)[drawn]
        day = np.repeat(np.arange(len(drawn)), counts)
        offset = np.arange(len(day)) - np.repeat(np.cumsum(counts) - counts, counts)
        place = starts[drawn][day] + offset
        since = self._since_midnight[place] + day * np.int64(DAY / timedelta(microseconds=1))
        times = pl.lit(HISTORY_START) + pl.Series(since) * pl.duration(microseconds=1)
        frame = self.frame[place].with_columns(times.alias(self.use_case.spine.time))
        return DrawnRows(place, day, frame)

    @cached_property
    def _since_midnight(self) -> Indexes:
        time = self.frame[self.use_case.spine.time]
        since = time.dt.epoch("us") % int(DAY / timedelta(microseconds=1))
        return since.to_numpy().astype(np.int64)


@dataclass(frozen=True)
class DayPool:
    """The champion's judged rows, and their days."""

    judged: JudgedRows
    compared: ComparedDays

    @property
    def use_case(self) -> UseCase:
        """The use case, with the inputs of the champion."""
        return self.judged.use_case

    @property
    def days(self) -> int:
        """The number of days."""
        return self.compared.days

    def pair(self, new: Predictions, old: Predictions) -> PairedPredictions:
        """Return predictions of two models for all rows of the pool, in blocks of a day."""
        kind = problem_type_of(self.use_case)
        return PairedPredictions(self.judged.label, self.compared.day, self.days, new, old, kind)

    def measure(self, metric: str, predictions: Predictions) -> float:
        """Return a metric of predictions of all rows."""
        cost = self.use_case.evaluation.cost
        measure = block_metric(metric, self.pair(predictions, predictions), predictions, cost)
        return float(measure(np.ones((1, self.days)))[0])


def build_day_pool(judged: JudgedRows) -> DayPool:
    """Return the judged rows by day; NoRows if they cover too few days."""
    use_case = judged.use_case
    epoch = judged.rows[use_case.spine.time].dt.epoch("d").to_numpy().astype(np.int64)
    day = epoch - epoch.min()
    days = int(day.max()) + 1
    if days < MIN_POOL_DAYS:
        raise NoRows(
            f"{use_case.name}: version {judged.model.version} was judged on {days} days. A "
            f"rehearsal needs {MIN_POOL_DAYS}: wait for more labels, or lengthen split.holdout"
        )
    names = [use_case.spine.time, use_case.label.column]
    names += [each.column for each in use_case.evaluation.slices]
    frame = judged.rows.select(*dict.fromkeys(names))
    card, holdout = judged.model.card, use_case.split.holdout
    if not isinstance(holdout, timedelta):  # a share of the rows
        holdout = card.end - card.trained_until
    compared = ComparedDays(use_case, day, days, 1, frame, holdout)
    pool = DayPool(judged, compared)
    return replace(pool, compared=replace(compared, block=_choose_block(pool)))


def _choose_block(pool: DayPool) -> int:
    """Return how many neighbouring days to draw together, as the metric and the cost need it."""
    use_case, predictions = pool.use_case, pool.judged.predictions
    pair, cost = pool.pair(predictions, predictions), use_case.evaluation.cost
    subjects = dict.fromkeys((use_case.gate.metric, "cost"))
    measures = [block_metric(subject, pair, predictions, cost) for subject in subjects]
    daily = use_case.gate.model_copy(update={"block": DAY})
    return choose_common_length(daily, measures, pool.days)
