"""Forecasts of a new use case: rows that are predicted a while before their event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from configs.clock import parse_duration, write_duration
from configs.errors import BadConfig
from tasks.scaffold.plan import Forecast, GivenAnswers, Lag, TablePlan

_SEASONS = (
    Lag("week_ago", timedelta(days=7)),
    Lag("year_ago", timedelta(days=364)),
    Lag("day_ago", timedelta(days=1)),
)
_USUAL_DELAY = 0.95  # quantile; a row that is known later is no input


def resolve_ahead(answers: GivenAnswers) -> timedelta:
    """Return how long before its event a row is predicted; 0 as soon as it is known."""
    if not answers.ahead:
        return timedelta(0)
    try:
        ahead = parse_duration(answers.ahead)
    except ValueError as error:
        raise BadConfig(f"--ahead {answers.ahead}: {error}") from error
    if ahead <= timedelta(0):
        raise BadConfig(f"--ahead {answers.ahead}: give a time above 0, like 2h")
    return ahead


def plan_forecast(subject: TablePlan, ahead: timedelta) -> Forecast | None:
    """Return the forecast of a table's rows; None if the rows are announced before `ahead`.

    Rows that have not landed cannot be listed, so they must come at a steady rhythm.
    """
    rows, event, known = subject.sample.rows, subject.event, subject.known
    if not ahead or (rows[known] <= rows[event] - ahead).all():
        return None
    flag = f"--ahead {write_duration(ahead)}"
    if event not in subject.keys:
        raise BadConfig(
            f"{flag}: the rows of {subject.name} are known later, so they must be told apart by "
            f"their event time. Give --keys {subject.name}=… with {event}"
        )
    series = tuple(key for key in subject.keys if key != event)
    every = _find_rhythm(rows, series, event, f"{flag}: the rows of {subject.name}")
    span = rows[event].max() - rows[event].min()  # type: ignore[operator]
    delay = (rows[known] - rows[event]).quantile(_USUAL_DELAY) or timedelta(0)
    assert isinstance(delay, timedelta)
    assert isinstance(span, timedelta)
    steps = max(1, -(-(ahead + delay) // every))
    fitting = (each for each in _SEASONS if _is_season(each.span, every, steps * every, span))
    return Forecast(series, every, (Lag("last", steps * every), *list(fitting)[:1]))


def _is_season(season: timedelta, every: timedelta, last: timedelta, span: timedelta) -> bool:
    return not season % every and season > last and span >= 2 * season


def _find_rhythm(
    rows: pl.DataFrame, series: tuple[str, ...], event: str, subject: str
) -> timedelta:
    """Return the time between two rows of a series; BadConfig if a row lies between two steps."""
    times = rows.select(*series, event).sort(*series, event)
    step, place = pl.col(event).diff(), pl.col(event) - pl.col(event).min()
    if series:
        step, place = step.over(series), place.over(series)
    steps = times.select(step=step, place=place)
    usual = steps.filter(pl.col("step") > timedelta(0))["step"].mode().min()
    if not isinstance(usual, timedelta):
        raise BadConfig(f"{subject} have one time only. Give a longer sample")
    between = times.filter((steps["place"].dt.total_microseconds() % _micros(usual)) != 0)
    if between.height:
        raise BadConfig(
            f"{subject} come every {write_duration(usual)}, but {between.height} of {rows.height} "
            f"lie between, like {between[event][0]}. Give a table that announces the rows, or "
            "correct these times"
        )
    return usual


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def require_known_joins(
    tables: Mapping[str, TablePlan], subject: TablePlan, forecast: Forecast
) -> None:
    """Raise BadConfig if a table is joined by a column that is not known ahead of the event."""
    for table in tables.values():
        unknown = [c for c in table.join if c not in (*forecast.series, subject.event)]
        if unknown and table.name != subject.name:
            raise BadConfig(
                f"--join {table.name}={', '.join(table.join)}: {', '.join(unknown)} is not known "
                f"ahead of the event. Join by keys of {subject.name}: {', '.join(forecast.series)}"
            )
