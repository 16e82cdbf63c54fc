"""Labelled rows that two versions scored: the basis of stage reviews and bake windows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from configs.schema.use_case import UseCase
from tasks.evaluation.bootstrap import Predictions
from tasks.evaluation.maturity import is_mature, label_coverage
from tasks.evaluation.prediction_columns import (
    DECISION,
    OTHER_DECISION,
    OTHER_VALUE,
    VALUE,
    read_predictions,
)
from tasks.evaluation.problem_types import problem_type_of
from tasks.features.retrieval import build_labels, build_spine, join_features
from tasks.rollout.prediction_log import read_all_predictions, select_used, select_version

ARM = "__arm"


@dataclass(frozen=True)
class PairedRows:
    """The rows that two versions scored until `end`, of the `due` rows that were scored by then.

    Columns of `rows`, in order of prediction time: spine keys, prediction time, ARM (whose
    prediction was used), VALUE and DECISION of the one version, OTHER_VALUE and OTHER_DECISION of
    the other, the label, and the columns of evaluation.slices. A prediction that is null or NaN
    does not count.
    """

    end: datetime
    due: int
    rows: pl.DataFrame
    enough: bool

    @property
    def coverage(self) -> float:
        """Share of the due rows that are labelled and scored by both, 0 to 1."""
        return label_coverage(self.rows.height, self.due)


def find_paired_rows(
    use_case: UseCase,
    pair: tuple[int, int],
    since: datetime,
    as_of: datetime,
    ends: Iterable[datetime],
) -> PairedRows:
    """Read the rows that both versions scored, up to the first end with enough labels.

    Enough is label.min_coverage of the due rows. Without such an end, the last one is taken. Later
    rows are left out whole: early labels may differ from late ones.

    Args:
        use_case: the use case
        pair: the two versions
        since: first prediction time
        as_of: moment by which the labels are known
        ends: ends to try, the latest first
    """
    predictions = read_all_predictions(use_case, since, as_of)
    due, time = select_used(predictions), pl.col(use_case.spine.time)
    rows = _add_labels(use_case, pair_rows(use_case, predictions, *pair), since, as_of)
    for end in ends:
        expected, inside = due.filter(time < end).height, rows.filter(time < end)
        coverage = label_coverage(inside.height, expected)
        enough = expected > 0 and is_mature(coverage, use_case.label.min_coverage)
        paired = PairedRows(end, expected, inside, enough)
        if enough:
            break
    return paired


def pair_rows(
    use_case: UseCase, predictions: pl.DataFrame, version: int, against: int
) -> pl.DataFrame:
    """Return the rows that both versions scored, labelled or not.

    The columns are those of `PairedRows.rows`, without the label and the slices.

    Args:
        use_case: the use case
        predictions: as `read_all_predictions` returns them
        version: the one version
        against: the other version
    """
    keys, kind = list(use_case.spine.key), problem_type_of(use_case)
    value = pl.col(kind.value_column)
    own, other = (
        select_version(predictions, number)
        .filter(kind.is_finite(value))
        .select(*keys, value.alias(VALUE), pl.col("decision").alias(DECISION))
        for number in (version, against)
    )
    due = select_used(predictions).select(*keys, use_case.spine.time, pl.col("arm").alias(ARM))
    both = due.join(own, on=keys, maintain_order="left")
    other = other.rename({VALUE: OTHER_VALUE, DECISION: OTHER_DECISION})
    return both.join(other, on=keys, maintain_order="left")


def both_predictions(use_case: UseCase, rows: pl.DataFrame) -> tuple[Predictions, Predictions]:
    """Return the predictions of both versions of `PairedRows.rows`, in the order of the pair."""
    other = read_predictions(use_case, rows, OTHER_VALUE, OTHER_DECISION)
    return read_predictions(use_case, rows), other


def _add_labels(
    use_case: UseCase, both: pl.DataFrame, since: datetime, as_of: datetime
) -> pl.DataFrame:
    """Return the rows whose label is known by `as_of`, with it and the columns of the slices.

    Features are read only if the spine lacks a column of a slice.
    """
    keys = list(use_case.spine.key)
    labels = build_labels(use_case, since, as_of, as_of).select(*keys, use_case.label.column)
    rows = both.join(labels, on=keys, how="inner", maintain_order="left")
    missing = {each.column for each in use_case.evaluation.slices} - set(rows.columns)
    if rows.is_empty() or not missing:
        return rows
    spine = build_spine(use_case, since, as_of, as_of).join(rows, on=keys, how="semi")
    if not missing.issubset(spine.columns):
        spine = join_features(use_case, spine)
    return rows.join(spine.select(*keys, *sorted(missing)), on=keys, maintain_order="left")
