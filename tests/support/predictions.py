"""Real models' answers to real flights, made in two seconds: for tests of what is said of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.evaluation.bootstrap import Predictions
from tasks.models.matrix import build_matrix
from tasks.training.fit import learn_schema
from tests.support.flights import arrived, quick_use_case

SPRING = datetime(2013, 4, 1, tzinfo=UTC)
EARLY = datetime(2013, 1, 11, tzinfo=UTC)
THRESHOLD = 0.25
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Spring:
    """Flights of April to June, what two models say of each, and the rows of each day."""

    rows: pl.DataFrame
    quarter: Floats
    early: Floats
    days: list[Rows]

    @property
    def late(self) -> NDArray[np.int8]:
        return self.rows["late"].to_numpy()


@cache
def spring() -> Spring:
    """Every fourth flight. `quarter` is a boosting fitted on January to March, `early` the same one
    on the first ten days.
    """
    flights, time = arrived(6).gather_every(4), pl.col("prediction_time")
    rows = flights.filter(time >= SPRING)
    quarter, early = (_answers(flights.filter(time < end), rows) for end in (SPRING, EARLY))
    _, day = np.unique(rows["prediction_time"].dt.date().to_numpy(), return_inverse=True)
    days = [np.flatnonzero(day == number) for number in range(day.max() + 1)]
    return Spring(rows, quarter, early, days)


def histories(number: int, days: int = 21) -> Iterator[tuple[Rows, Rows, pl.DataFrame]]:
    """Histories of so many days, drawn with replacement from the spring: where each row stands in
    it, its day (0, 1, …), and the rows, dated day by day from 1 April on.
    """
    random, pool = np.random.default_rng(1), spring()
    for _ in range(number):
        drawn = [pool.days[which] for which in random.integers(0, len(pool.days), days)]
        place, day = np.concatenate(drawn), np.repeat(np.arange(days), [len(d) for d in drawn])
        dated = pl.lit(SPRING) + pl.Series(day) * pl.duration(days=1)
        yield place, day, pool.rows[place].with_columns(prediction_time=dated)


def predictions_at_threshold(probability: Floats) -> Predictions:
    return Predictions(probability, probability >= THRESHOLD)


def _answers(train: pl.DataFrame, rows: pl.DataFrame) -> Floats:
    from sklearn.ensemble import HistGradientBoostingClassifier

    schema = learn_schema(quick_use_case().features, train)
    model = HistGradientBoostingClassifier(max_iter=40, early_stopping=False, random_state=0)
    model.fit(build_matrix(train, schema), train["late"].to_numpy())
    return np.asarray(model.predict_proba(build_matrix(rows, schema))[:, 1])
