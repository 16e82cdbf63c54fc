"""Labelled rows that two versions answered: what a roll-out's stage and a bake window stand on."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from configs.use_case import UseCase
from tasks.comparison import Answers
from tasks.features import historical, labels, spine
from tasks.kinds import kind_of
from tasks.predictions import answers, answers_of, used


def answered_rows(
    use_case: UseCase, version: int, against: int, start: datetime, end: datetime, as_of: datetime
) -> pl.DataFrame:
    """The rows predicted in [start, end) that both versions answered, with a label known by
    `as_of`, in order of prediction time.

    Columns: spine keys, prediction time, arm (whose answer was used), value and decision of
    `version`, other_value and other_decision of `against`, the label, and the columns of
    evaluation.slices. An answer that is null or NaN is none.
    """
    keys = list(use_case.spine.key)
    both = pairs(use_case, answers(use_case, start, end), version, against)
    known = labels(use_case, start, end, as_of).select(*keys, use_case.label.column)
    rows = both.join(known, on=keys, how="inner", maintain_order="left")
    return _with_slices(use_case, rows, start, end, as_of)


def pairs(use_case: UseCase, given: pl.DataFrame, version: int, against: int) -> pl.DataFrame:
    """Of all answers the rows that both versions answered, labelled or not, as `answered_rows`."""
    keys, value = list(use_case.spine.key), pl.col(kind_of(use_case).column)
    own, other = (
        answers_of(given, of)
        .filter(value.is_finite())
        .select(*keys, value.alias("value"), "decision")
        for of in (version, against)
    )
    due = used(given).select(*keys, use_case.spine.time, "arm")
    both = due.join(own, on=keys, maintain_order="left")
    return both.join(other.rename({name: f"other_{name}" for name in ("value", "decision")}),
                     on=keys, maintain_order="left")  # fmt: skip


def both_answers(rows: pl.DataFrame) -> tuple[Answers, Answers]:
    """The answers of both versions in rows as `answered_rows` gives them: `version`, `against`."""
    new, old = (
        Answers(rows[f"{of}value"].to_numpy(), rows[f"{of}decision"].to_numpy())
        for of in ("", "other_")
    )
    return new, old


def _with_slices(
    use_case: UseCase, rows: pl.DataFrame, start: datetime, end: datetime, as_of: datetime
) -> pl.DataFrame:
    """The rows with the columns of the slices; features are read only if the spine has not all."""
    keys = list(use_case.spine.key)
    wanted = {each.column for each in use_case.evaluation.slices} - set(rows.columns)
    if rows.is_empty() or not wanted:
        return rows
    asked = spine(use_case, start, end, as_of).join(rows, on=keys, how="semi")
    if not wanted.issubset(asked.columns):
        asked = historical(use_case, asked)
    return rows.join(asked.select(*keys, *sorted(wanted)), on=keys, maintain_order="left")
