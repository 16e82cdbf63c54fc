"""One monitored window: the rows and labels it is made of, and all its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.evaluation.prediction_columns import to_prediction_array
from tasks.evaluation.problem_types import problem_type_of
from tasks.features import raw_tables, retrieval
from tasks.ledger.log import Entry
from tasks.ledger.projections import require_champion
from tasks.models import reference_profile
from tasks.models.registry import Model, open_model, with_model_features
from tasks.monitoring import data_contract, drift, performance
from tasks.monitoring.measurements import Measurement
from tasks.orchestration.parallel import map_parallel
from tasks.rollout.prediction_log import (
    PREDICTIONS,
    read_all_predictions,
    select_used,
    select_version,
)
from tasks.storage.chunks import TimeSpan as Span
from tasks.storage.chunks import split_span
from tasks.storage.lake import open_lake


@dataclass(frozen=True)
class MonitoredWindow:
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
    counts: Sequence[reference_profile.BinCounts]
    judged: pl.DataFrame
    own: pl.DataFrame

    @property
    def rows(self) -> int:
        """The rows of monitor.window that were predicted."""
        return sum(int(next(iter(part.values())).sum()) for part in self.counts)  # nulls too


def load_window(use_case: UseCase, entries: Sequence[Entry], as_of: datetime) -> MonitoredWindow:
    """Gather a window. The champion is who reigned when it ended: a promotion at `as_of` itself
    comes after it. NoChampion before the first promotion, NoRows if nothing was ever scored.
    """
    past = [e for e in entries if e.at < as_of]
    reigning = require_champion(past, use_case.name)
    assert reigning.version is not None
    model = open_model(use_case.name, reigning.version)
    served = with_model_features(use_case, model)
    start = as_of - performance.longest_window(use_case)
    given = read_all_predictions(use_case, start, as_of)
    known = retrieval.build_labels(use_case, start, as_of, as_of)
    own, judged = select_version(given, model.version), select_used(given)
    return MonitoredWindow(
        use_case=served,
        as_of=as_of,
        champion=model,
        since=reigning.at,
        scored_since=min(e.at for e in past if e.what == "promoted"),
        counts=_counts(served, model, as_of),
        judged=performance.join_labels(use_case, judged, known),
        own=performance.join_labels(use_case, own, known),
    )


def measure_window(window: MonitoredWindow) -> list[Measurement]:
    """Performance, contract and drift of a window."""
    use_case, as_of, card = window.use_case, window.as_of, window.champion.card
    measured = (card.holdout, card.threshold)
    raw = raw_tables.scan_raw_tables(use_case, as_of)
    due = (card.reference, use_case.monitor, window.scored_since, as_of)
    found = [
        *performance.measure_window_metrics(use_case, window.judged, *measured, as_of),
        *performance.measure_rules(use_case, window.own, *measured, window.since, as_of),
        *data_contract.measure_volumes(use_case, raw, card.reference, as_of),
        data_contract.measure_predicted_rows(window.rows, *due),
    ]
    if not window.rows:
        return found  # that nothing was predicted is a number above, and pages
    drifts = drift.compare_counts(window.counts, card.reference)
    return [
        *found,
        *data_contract.measure_nulls(use_case, drifts, as_of),
        *drift.judge_drift(use_case, drifts, as_of),
    ]


def read_predicted_rows(
    use_case: UseCase, version: int, span: Span, as_of: datetime
) -> pl.DataFrame:
    """The rows of a span that were predicted, without their features, as the spine goes. The score
    is the version's own where it answered, else the one that was used.
    """
    keys, kind = list(use_case.spine.key), problem_type_of(use_case)
    given = read_all_predictions(use_case, *span)
    first = pl.concat([select_version(given, version), select_used(given)]).unique(
        keys, keep="first"
    )
    scores = first.select(keys).with_columns(
        kind.to_score_columns(to_prediction_array(first[kind.value_column]))
    )
    asked = retrieval.build_spine(use_case, *span, as_of)
    return asked.join(scores, on=keys, how="inner", maintain_order="left")


def count_span(
    span: Span,
    use_case: UseCase,
    version: int,
    reference: reference_profile.ReferenceProfile,
    as_of: datetime,
) -> reference_profile.BinCounts:
    """The predicted rows of a span in the bins of a reference."""
    rows = read_predicted_rows(use_case, version, span, as_of)
    if rows.is_empty():
        return {name: np.zeros(of.bins.size, np.int64) for name, of in reference.columns.items()}
    return reference_profile.count_by_bin(retrieval.join_features(use_case, rows), reference)


def _counts(use_case: UseCase, model: Model, as_of: datetime) -> list[reference_profile.BinCounts]:
    """The counts of monitor.window, in as many parts as keep each near the settings' size."""
    length = use_case.monitor.window
    start, time = as_of - length, pl.col(use_case.spine.time)
    table = open_lake(use_case.name).scan(PREDICTIONS).filter(time >= start, time < as_of)
    parts = 1 + table.select(pl.len()).collect().item() // settings().partition_rows
    cut = split_span(start, as_of, length / parts + timedelta.resolution)
    same = {"version": model.version, "reference": model.card.reference, "as_of": as_of}
    return map_parallel(count_span, cut, use_case=use_case, **same)
