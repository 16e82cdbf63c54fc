"""Labelled rows that two versions answered: what a roll-out's stage and a bake window stand on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from configs.schema.use_case import UseCase
from tasks.evaluation.bootstrap import Predictions
from tasks.evaluation.maturity import is_mature, label_coverage
from tasks.evaluation.prediction_columns import read_predictions
from tasks.evaluation.problem_types import problem_type_of
from tasks.features.retrieval import build_labels, build_spine, join_features
from tasks.rollout.prediction_log import read_all_predictions, select_used, select_version


@dataclass(frozen=True)
class PairedRows:
    """What two versions answered until `end`, of the `due` rows that were scored till then.

    Columns of `rows`, in order of prediction time: spine keys, prediction time, arm (whose answer
    was used), value and decision of the one version, other_value and other_decision of the other,
    the label, and the columns of evaluation.slices. An answer that is null or NaN is none.
    """

    end: datetime
    due: int
    rows: pl.DataFrame
    enough: bool

    @property
    def coverage(self) -> float:
        """Share of the due rows that are labelled and answered by both, 0 to 1."""
        return label_coverage(self.rows.height, self.due)


def find_paired_rows(
    use_case: UseCase, pair: tuple[int, int], since: datetime, as_of: datetime,
    ends: Iterable[datetime],
) -> PairedRows:  # fmt: skip
    """What the `pair` of versions answered from `since` to the first of `ends` up to which enough
    (label.min_coverage) is labelled by `as_of`; to the last one, where nowhere is enough.

    The rest is left out whole: labels that come early need not be like those that come late.
    """
    given, time = read_all_predictions(use_case, since, as_of), pl.col(use_case.spine.time)
    due, rows = (
        select_used(given),
        _labelled(use_case, pair_rows(use_case, given, *pair), since, as_of),
    )
    for end in ends:
        expected, inside = due.filter(time < end).height, rows.filter(time < end)
        coverage = label_coverage(inside.height, expected)
        enough = expected > 0 and is_mature(coverage, use_case.label.min_coverage)
        found = PairedRows(end, expected, inside, enough)
        if enough:
            break
    return found


def pair_rows(use_case: UseCase, given: pl.DataFrame, version: int, against: int) -> pl.DataFrame:
    """Of all answers the rows that both versions answered, labelled or not, with the columns of
    Mature.rows that come of the answers."""
    keys, kind = list(use_case.spine.key), problem_type_of(use_case)
    value = pl.col(kind.value_column)
    own, other = (
        select_version(given, of)
        .filter(kind.is_finite(value))
        .select(*keys, value.alias("value"), "decision")
        for of in (version, against)
    )
    due = select_used(given).select(*keys, use_case.spine.time, "arm")
    both = due.join(own, on=keys, maintain_order="left")
    return both.join(other.rename({name: f"other_{name}" for name in ("value", "decision")}),
                     on=keys, maintain_order="left")  # fmt: skip


def both_predictions(use_case: UseCase, rows: pl.DataFrame) -> tuple[Predictions, Predictions]:
    """The answers of both versions of Mature.rows, in the order of the pair."""
    return read_predictions(use_case, rows), read_predictions(use_case, rows, "other_")


def _labelled(
    use_case: UseCase, both: pl.DataFrame, since: datetime, as_of: datetime
) -> pl.DataFrame:
    """The rows whose label is known by `as_of`, with it and the columns of the slices.

    Features are read only if the spine has not all of these.
    """
    keys = list(use_case.spine.key)
    known = build_labels(use_case, since, as_of, as_of).select(*keys, use_case.label.column)
    rows = both.join(known, on=keys, how="inner", maintain_order="left")
    wanted = {each.column for each in use_case.evaluation.slices} - set(rows.columns)
    if rows.is_empty() or not wanted:
        return rows
    asked = build_spine(use_case, since, as_of, as_of).join(rows, on=keys, how="semi")
    if not wanted.issubset(asked.columns):
        asked = join_features(use_case, asked)
    return rows.join(asked.select(*keys, *sorted(wanted)), on=keys, maintain_order="left")
