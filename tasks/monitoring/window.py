"""A monitored window: its predictions, labels and measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.evaluation.alarms.limits import RuleLimit
from tasks.evaluation.kpis.measure import list_kpi_inputs
from tasks.evaluation.prediction_columns import to_prediction_array, to_prediction_column
from tasks.evaluation.problem_types import problem_type_of
from tasks.features import raw_tables, retrieval
from tasks.ledger.evidence import Promoted, read_evidence
from tasks.ledger.log import Entry
from tasks.ledger.projections import require_champion
from tasks.models import reference_profile
from tasks.models.registry import Model, open_model, predict, with_model_features
from tasks.monitoring import data_contract, drift, performance
from tasks.monitoring.limits.renewal import find_rule_limits
from tasks.monitoring.measurements import Measurement
from tasks.monitoring.missing_predictions import find_missing_predictions
from tasks.monitoring.online.flagged_predictions import measure_flagged_predictions
from tasks.monitoring.online.skew import measure_skew
from tasks.orchestration.parallel import map_parallel
from tasks.rollout.prediction_log import (
    PREDICTIONS,
    read_all_predictions,
    select_used,
    select_version,
)
from tasks.storage.chunks import TimeSpan, split_span
from tasks.storage.lake import open_lake


@dataclass(frozen=True)
class MonitoredWindow:
    """The champion's last window, as known at `as_of`.

    Attributes:
        use_case: the use case, with the inputs and feature service of the champion.
        as_of: end of the window.
        champion: the opened version.
        since: time at which it became champion.
        judged_since: end of its training rows: it was judged on all rows from then on.
        scored_since: time of the first promotion of any version.
        counts: predicted rows of `monitor.window` in each bin of the reference, part by part.
        judged: used predictions of the longest rule's window, of any version, with known labels.
        own: all predictions of the champion in that window, with known labels: of the gate, in
            shadow, of its arm of a rollout, and as champion.
        tested: rows of `own` that only its training run and its gate predicted.
        unscored: prediction times of the rows in that window that it did not predict.
        missing: keys and prediction time of due rows without a prediction.
        limits: calibrated limits of the champion's rules, by subject.
        other_labels: values in that window that are no label, with their rows.
    """

    use_case: UseCase
    as_of: datetime
    champion: Model
    since: datetime
    judged_since: datetime
    scored_since: datetime
    counts: Sequence[reference_profile.BinCounts]
    judged: pl.DataFrame
    own: pl.DataFrame
    tested: int
    unscored: pl.Series
    missing: pl.DataFrame
    other_labels: Mapping[str, int]
    limits: Mapping[str, RuleLimit]

    @property
    def rows(self) -> int:
        """The number of predicted rows of `monitor.window`."""
        return sum(
            int(next(iter(part.values())).sum()) for part in self.counts
        )  # a column's bins count nulls too


def load_window(use_case: UseCase, entries: Sequence[Entry], as_of: datetime) -> MonitoredWindow:
    """Load the window that ends at `as_of`, of the champion at its end.

    A promotion at `as_of` itself comes after the window.

    Raises:
        NoChampion: no version was promoted before `as_of`.
        NoRows: nothing was ever scored.
    """
    past = [e for e in entries if e.at < as_of]
    promotion = require_champion(past, use_case.name)
    assert promotion.version is not None
    model = open_model(use_case.name, promotion.version)
    use_case_of_model = with_model_features(use_case, model)
    start = as_of - performance.find_longest_window(use_case)
    predictions = read_all_predictions(use_case, start, as_of)
    scored_since = min(e.at for e in past if e.what == "promoted")
    known = retrieval.read_known_labels(use_case, start, as_of, as_of)
    judged = select_used(predictions)
    logged = select_version(predictions, model.version)
    tests = max(start, model.card.trained_until), _end_of_tests(model, promotion)
    tested = _predict_tested_rows(use_case_of_model, model, tests, known.rows, logged)
    own = pl.concat([logged, tested], how="diagonal")
    others = judged.join(own, on=use_case.spine.key, how="anti", nulls_equal=True)
    return MonitoredWindow(
        use_case=use_case_of_model,
        as_of=as_of,
        champion=model,
        since=promotion.at,
        judged_since=model.card.trained_until,
        scored_since=scored_since,
        counts=_count_window(use_case_of_model, model, as_of),
        judged=performance.join_labels(use_case, judged, known.rows),
        own=performance.join_labels(use_case, own, known.rows),
        tested=tested.height,
        unscored=others[use_case.spine.time],
        other_labels=known.other_values,
        missing=find_missing_predictions(use_case, scored_since, as_of),
        limits=find_rule_limits(model, entries, as_of),
    )


def _predict_tested_rows(
    use_case: UseCase, model: Model, span: TimeSpan, labels: pl.DataFrame, logged: pl.DataFrame
) -> pl.DataFrame:
    """Predict the labelled rows of the champion's holdout and gate, up to its promotion.

    Training and gate keep no predictions, so the rows are predicted again.

    Args:
        use_case: the use case, with the inputs of the version.
        model: the champion.
        span: the span of prediction times.
        labels: the known labels.
        logged: predictions of the version in the log; their rows are left out.
    """
    keys, time, kind = list(use_case.spine.key), use_case.spine.time, problem_type_of(use_case)
    none = logged.select(*keys, time, kind.value_column).clear()
    if span[0] >= span[1]:
        return none
    rows = retrieval.build_spine(use_case, *span, span[1])
    rows = rows.join(labels, on=keys, how="semi", maintain_order="left")
    rows = rows.join(logged, on=keys, how="anti", nulls_equal=True, maintain_order="left")
    if rows.is_empty():
        return none
    values = predict(model, retrieval.join_features(use_case, rows))
    return rows.select(*keys, time, to_prediction_column(kind.value_column, values))


def _end_of_tests(model: Model, promotion: Entry) -> datetime:
    """Return the end of the rows on which a champion was tested before it was promoted."""
    end = model.card.end
    if promotion.what == "promoted":
        end = max(end, read_evidence(promotion, Promoted).to or end)
    return min(end, promotion.at)


def measure_window(window: MonitoredWindow) -> list[Measurement]:
    """Measure performance, data contract and drift of a window."""
    use_case, as_of, card = window.use_case, window.as_of, window.champion.card
    reference = (card.holdout, card.threshold)
    start = as_of - performance.find_longest_window(use_case)
    raw = raw_tables.scan_raw_tables(use_case, as_of)
    expected = (card.reference, use_case.monitor, window.scored_since, as_of)
    measured = [
        *performance.measure_window_metrics(use_case, window.judged, *reference, as_of),
        *performance.measure_rules(
            use_case,
            window.own,
            *reference,
            window.judged_since,
            as_of,
            window.limits,
            window.unscored,
        ),
        *performance.measure_kpis(use_case, _read_kpi_rows(window), as_of),
        *data_contract.measure_volumes(use_case, raw, card.reference, as_of),
        *data_contract.measure_other_labels(window.other_labels, start, as_of),
        data_contract.measure_predicted_rows(window.rows, *expected),
        data_contract.measure_missing_rows(window.missing.height, use_case.monitor, as_of),
        *measure_flagged_predictions(use_case, as_of),
        *measure_skew(use_case, window.champion.version, as_of),
    ]
    if not window.rows:
        return measured  # `measure_predicted_rows` reports the missing predictions
    drifts = drift.compare_counts(
        window.counts, card.reference, as_of - use_case.monitor.window / 2
    )
    return [
        *measured,
        *data_contract.measure_nulls(use_case, drifts, as_of),
        *drift.judge_drift(use_case, drifts, as_of),
    ]


def _read_kpi_rows(window: MonitoredWindow) -> pl.DataFrame:
    """Return the judged rows of `monitor.window`, with the inputs that a KPI names."""
    use_case, as_of, time = window.use_case, window.as_of, window.use_case.spine.time
    span = as_of - use_case.monitor.window, as_of
    rows = window.judged.filter(pl.col(time) >= span[0], pl.col(time) < span[1])
    inputs, keys = list_kpi_inputs(use_case), list(use_case.spine.key)
    if not inputs or rows.is_empty():
        return rows
    spine = retrieval.build_spine(use_case, *span, as_of)
    joined = retrieval.join_features(
        use_case, spine.join(rows, on=keys, how="semi", nulls_equal=True, maintain_order="left")
    )
    others = [name for name in inputs if name not in rows.columns]
    return rows.join(
        joined.select(*keys, *others), on=keys, how="left", nulls_equal=True, maintain_order="left"
    )


def read_predicted_rows(
    use_case: UseCase, version: int, span: TimeSpan, as_of: datetime, score_names: Sequence[str]
) -> pl.DataFrame:
    """Return the predicted rows of a span without features, in the order of the spine.

    The score is the version's own, also in shadow. Where it did not predict, it is the used score.

    Args:
        use_case: the use case.
        version: the version whose scores are preferred.
        span: the span of prediction times.
        as_of: end of the knowledge; rows known later are not read.
        score_names: columns of the scores.
    """
    keys, problem_type = list(use_case.spine.key), problem_type_of(use_case)
    predictions = read_all_predictions(use_case, *span)
    first = pl.concat([select_version(predictions, version), select_used(predictions)]).unique(
        keys, keep="first"
    )
    values = to_prediction_array(first[problem_type.value_column])
    scores = first.select(keys).with_columns(problem_type.to_score_columns(values, score_names))
    spine = retrieval.build_spine(use_case, *span, as_of)
    return spine.join(scores, on=keys, how="inner", maintain_order="left")


def count_span(
    span: TimeSpan,
    use_case: UseCase,
    version: int,
    reference: reference_profile.ReferenceProfile,
    as_of: datetime,
) -> reference_profile.BinCounts:
    """Count the predicted rows of a span by bin of a reference.

    Args:
        span: the span of prediction times.
        use_case: the use case, with the inputs of the version.
        version: the version whose scores are preferred.
        reference: the reference profile of the version.
        as_of: end of the knowledge; rows known later are not read.
    """
    score_names = reference.score_names(use_case.features.inputs)
    rows = read_predicted_rows(use_case, version, span, as_of, score_names)
    if rows.is_empty():
        return {
            name: np.zeros(column.bins.size, np.int64) for name, column in reference.columns.items()
        }
    return reference_profile.count_by_bin(retrieval.join_features(use_case, rows), reference)


def _count_window(
    use_case: UseCase, model: Model, as_of: datetime
) -> list[reference_profile.BinCounts]:
    """Count the rows of `monitor.window` by bin, in parts of about `partition_rows` rows."""
    length = use_case.monitor.window
    start, time = as_of - length, pl.col(use_case.spine.time)
    table = open_lake(use_case.name).scan(PREDICTIONS).filter(time >= start, time < as_of)
    parts = 1 + table.select(pl.len()).collect().item() // settings().partition_rows
    spans = split_span(start, as_of, length / parts + timedelta.resolution)
    arguments = {"version": model.version, "reference": model.card.reference, "as_of": as_of}
    return map_parallel(count_span, spans, use_case=use_case, **arguments)
