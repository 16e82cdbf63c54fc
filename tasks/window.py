"""One monitored window: the rows and labels it is made of, and all its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from configs.errors import NoChampion
from configs.settings import settings
from configs.use_case import UseCase
from tasks import contract, drift, features, performance
from tasks.engine import each
from tasks.kinds import kind_of
from tasks.lake import lake_of
from tasks.ledger import Entry, require_champion
from tasks.matrix import to_answers
from tasks.monitoring import Number, as_rows
from tasks.parts import Window as Span
from tasks.parts import spans
from tasks.predictions import PREDICTIONS, answers, answers_of, used
from tasks.registry import Model, as_served, open_model


@dataclass(frozen=True)
class Window:
    """What is known at `as_of` about the champion's last window.

    `use_case` has the champion's own inputs and feature service. `counts`, part by part: how many
    of the predicted rows of monitor.window lie in each bin of the champion's reference; their score
    is the champion's own where it answered, if only in shadow. `judged`: the answers used in the
    longest rule's window, whoever gave them, and `own`: all that the champion gave in it; with the
    label where it has come.
    """

    use_case: UseCase
    as_of: datetime
    champion: Model
    since: datetime
    scored_since: datetime
    counts: Sequence[drift.Counts]
    judged: pl.DataFrame
    own: pl.DataFrame

    @property
    def rows(self) -> int:
        """The rows of monitor.window that were predicted."""
        return sum(int(next(iter(part.values())).sum()) for part in self.counts)  # nulls too


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
        counts=_counts(served, model, as_of),
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
        contract.predicted(window.rows, *due),
    ]
    if not window.rows:
        return found  # that nothing was predicted is a number above, and pages
    drifts = drift.compare(window.counts, card.reference)
    return [
        *found,
        *contract.nulls(use_case, drifts, as_of),
        *drift.verdicts(use_case, drifts, as_of),
    ]


def predicted(use_case: UseCase, version: int, span: Span, as_of: datetime) -> pl.DataFrame:
    """The rows of a span that were predicted, without their features, as the spine goes. The score
    is the version's own where it answered, else the one that was used.
    """
    keys, kind = list(use_case.spine.key), kind_of(use_case)
    given = answers(use_case, *span)
    first = pl.concat([answers_of(given, version), used(given)]).unique(keys, keep="first")
    scores = first.select(keys).with_columns(kind.scores(to_answers(first[kind.column])))
    asked = features.spine(use_case, *span, as_of)
    return asked.join(scores, on=keys, how="inner", maintain_order="left")


def count_part(
    span: Span, use_case: UseCase, version: int, reference: drift.Profile, as_of: datetime
) -> drift.Counts:
    """The predicted rows of a span in the bins of a reference."""
    rows = predicted(use_case, version, span, as_of)
    if rows.is_empty():
        return {name: np.zeros(of.bins.size, np.int64) for name, of in reference.columns.items()}
    return drift.count(features.historical(use_case, rows), reference)


def _counts(use_case: UseCase, model: Model, as_of: datetime) -> list[drift.Counts]:
    """The counts of monitor.window, in as many parts as keep each near the settings' size."""
    length = use_case.monitor.window
    start, time = as_of - length, pl.col(use_case.spine.time)
    table = lake_of(use_case.name).scan(PREDICTIONS).filter(time >= start, time < as_of)
    parts = 1 + table.select(pl.len()).collect().item() // settings().partition_rows
    cut = spans(start, as_of, length / parts + timedelta.resolution)
    same = {"version": model.version, "reference": model.card.reference, "as_of": as_of}
    return each(count_part, cut, use_case=use_case, **same)


@task(task_run_name="load window", cache_policy=NO_CACHE)
def load_window(use_case: UseCase, entries: Sequence[Entry], as_of: datetime) -> Window | None:
    """As `load`, seen by Prefect; before the first champion there is nothing, and a warning."""
    try:
        window = load(use_case, entries, as_of)
    except NoChampion as nobody:
        get_run_logger().warning("%s", nobody)
        return None
    told = (window.champion.version, window.since, window.rows, window.judged.height)
    get_run_logger().info("version %s, champion since %s: %s rows scored, %s to judge", *told)
    return window


@task(task_run_name="measure window", cache_policy=NO_CACHE)
def measure_window(window: Window) -> pl.DataFrame:
    """As `numbers`, as rows of the monitoring table."""
    return as_rows(numbers(window), window.as_of, window.champion.version)
