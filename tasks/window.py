"""One monitored window: the rows and labels it is made of, and all its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from configs.errors import NoChampion
from configs.use_case import UseCase
from tasks import contract, drift, features, performance
from tasks.kinds import kind_of
from tasks.ledger import Entry, require_champion
from tasks.matrix import to_answers
from tasks.monitoring import Number, as_rows
from tasks.predictions import answers, answers_of, used
from tasks.registry import Model, as_served, open_model


@dataclass(frozen=True)
class Window:
    """What is known at `as_of` about the champion's last window.

    `use_case` has the champion's own inputs and feature service. `scored`: the predicted rows of
    monitor.window with inputs and score, the champion's own where it answered, if only in shadow.
    `judged`: the answers used in the longest rule's window, whoever gave them, and `own`: all that
    the champion gave in it; with the label where it has come.
    """

    use_case: UseCase
    as_of: datetime
    champion: Model
    since: datetime
    scored_since: datetime
    scored: pl.DataFrame
    judged: pl.DataFrame
    own: pl.DataFrame


def load(use_case: UseCase, entries: Sequence[Entry], as_of: datetime) -> Window:
    """Gather a window. The champion is who reigned when it ended: a promotion at `as_of` itself
    comes after it. NoChampion before the first promotion, NoRows if nothing was ever scored.
    """
    past = [e for e in entries if e.at < as_of]
    reigning = require_champion(past, use_case.name)
    assert reigning.version is not None
    model = open_model(use_case.name, reigning.version)
    served = as_served(use_case, model)
    start = as_of - performance.longest_window(use_case)
    given = answers(use_case, start, as_of)
    known = features.labels(use_case, start, as_of, as_of)
    own, judged = answers_of(given, model.version), used(given)
    return Window(
        use_case=served,
        as_of=as_of,
        champion=model,
        since=reigning.at,
        scored_since=min(e.at for e in past if e.what == "promoted"),
        scored=_scored(served, pl.concat([own, judged]), as_of),
        judged=performance.with_labels(use_case, judged, known),
        own=performance.with_labels(use_case, own, known),
    )


def numbers(window: Window) -> list[Number]:
    """Performance, contract and drift of a window."""
    use_case, as_of, card = window.use_case, window.as_of, window.champion.card
    measured = (card.holdout, card.threshold)
    raw = features.raw_tables(use_case, as_of)
    due = (card.reference, use_case.monitor, window.scored_since, as_of)
    found = [
        *performance.weekly(use_case, window.judged, *measured, as_of),
        *performance.rules(use_case, window.own, *measured, window.since, as_of),
        *contract.volumes(use_case, raw, card.reference, as_of),
        contract.predicted(window.scored.height, *due),
    ]
    if window.scored.is_empty():
        return found  # that nothing was predicted is a number above, and pages
    drifts = drift.drift(window.scored, card.reference)
    return [
        *found,
        *contract.nulls(use_case, drifts, as_of),
        *drift.verdicts(use_case, drifts, as_of),
    ]


def _scored(use_case: UseCase, given: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """The window's rows that were predicted, with inputs and score, as the spine goes; the first
    answer to a row counts.
    """
    start, keys = as_of - use_case.monitor.window, list(use_case.spine.key)
    first, kind = given.unique(keys, keep="first"), kind_of(use_case)
    scores = first.select(keys).with_columns(kind.scores(to_answers(first[kind.column])))
    asked = features.spine(use_case, start, as_of, as_of)
    rows = asked.join(scores, on=keys, how="inner", maintain_order="left")
    return rows if rows.is_empty() else features.historical(use_case, rows)


@task(task_run_name="load window", cache_policy=NO_CACHE)
def load_window(use_case: UseCase, entries: Sequence[Entry], as_of: datetime) -> Window | None:
    """As `load`, seen by Prefect; before the first champion there is nothing, and a warning."""
    try:
        window = load(use_case, entries, as_of)
    except NoChampion as nobody:
        get_run_logger().warning("%s", nobody)
        return None
    told = (window.champion.version, window.since, window.scored.height, window.judged.height)
    get_run_logger().info("version %s, champion since %s: %s rows scored, %s to judge", *told)
    return window


@task(task_run_name="measure window", cache_policy=NO_CACHE)
def measure_window(window: Window) -> pl.DataFrame:
    """As `numbers`, as rows of the monitoring table."""
    return as_rows(numbers(window), window.as_of, window.champion.version)
