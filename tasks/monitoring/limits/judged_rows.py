"""Judged rows of a model: labelled rows on which it was not fitted, before any suspicion.

They begin with the validation span of the version. They end before the first window in which an
episode of its performance or of its bake window opened. So a decay that was found is not among
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from configs.errors import NoRows
from configs.schema.use_case import UseCase
from tasks.evaluation.bootstrap import Predictions
from tasks.evaluation.maturity import is_mature
from tasks.evaluation.problem_types import problem_type_of
from tasks.features.retrieval import build_spine, build_training_set
from tasks.ledger.causes import BAKE_KIND
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.ledger.log import Entry
from tasks.models.registry import Model, predict, with_model_features
from tasks.monitoring.performance import find_longest_window

LONGEST_HISTORY = timedelta(days=365)
_SUSPICIONS = ("performance", BAKE_KIND)


@dataclass(frozen=True)
class JudgedRows:
    """Judged rows with inputs and label, in order of prediction time, and the predictions.

    `use_case` has the inputs of the model.
    """

    use_case: UseCase
    model: Model
    rows: pl.DataFrame
    predictions: Predictions

    @property
    def label(self) -> np.typing.NDArray[np.float64]:
        """The labels, (rows,)."""
        return self.rows[self.use_case.label.column].to_numpy().astype(np.float64)


def read_judged_rows(
    use_case: UseCase, entries: Sequence[Entry], model: Model, as_of: datetime
) -> JudgedRows:
    """Read the judged rows of a model, and predict them; NoRows without any.

    Args:
        use_case: the use case.
        entries: the ledger of the use case.
        model: the model.
        as_of: moment by which labels are known; rows are predicted before it.
    """
    start, end = find_judged_span(use_case, entries, model, as_of)
    own = with_model_features(use_case, model)
    if start >= end:
        raise NoRows(
            f"version {model.version} has no rows before {as_of} that it was not fitted on"
        )
    rows = _drop_immature_end(own, build_training_set(own, start, end, as_of), (start, end), as_of)
    return JudgedRows(own, model, rows, predict_rows(own, model, rows))


def predict_rows(use_case: UseCase, model: Model, rows: pl.DataFrame) -> Predictions:
    """Return a model's predictions of rows that hold its inputs, with its own decisions."""
    values = predict(model, rows)
    return Predictions(values, problem_type_of(use_case).decide(values, model.card.threshold))


def find_judged_span(
    use_case: UseCase, entries: Sequence[Entry], model: Model, as_of: datetime
) -> tuple[datetime, datetime]:
    """Return the span of prediction times of the judged rows, at most a year.

    Args:
        use_case: the windows of its rules.
        entries: the ledger of the use case.
        model: the model.
        as_of: the latest end.
    """
    card = model.card
    suspicions = [
        e.at
        for e in entries
        if e.what == "episode_opened"
        and e.version == model.version
        and e.at <= as_of
        and read_evidence(e, EpisodeOpened).kind in _SUSPICIONS
    ]
    end = as_of
    if suspicions:
        end = max(min(suspicions) - find_longest_window(use_case), min(card.end, as_of))
    return max(card.fitted_until or card.trained_until, end - LONGEST_HISTORY), end


def _drop_immature_end(
    use_case: UseCase, rows: pl.DataFrame, span: tuple[datetime, datetime], as_of: datetime
) -> pl.DataFrame:
    """Return the rows up to the last day of which enough rows have their label."""
    time = use_case.spine.time
    day = pl.col(time).dt.truncate("1d").alias("day")
    due = build_spine(use_case, *span, as_of).group_by(day).len("due")
    labelled = rows.group_by(day).len("labelled")
    coverage = due.join(labelled, on="day", how="left").with_columns(
        share=pl.col("labelled").fill_null(0) / pl.col("due")
    )
    mature = coverage.filter(is_mature(pl.col("share"), use_case.label.min_coverage))
    if mature.is_empty():
        raise NoRows(
            f"{use_case.name}: no day in [{span[0]}, {span[1]}) has labels for "
            f"{use_case.label.min_coverage:.0%} of its rows (label.min_coverage)"
        )
    last = mature["day"].max()
    assert isinstance(last, datetime)
    return rows.filter(pl.col(time) < last + timedelta(days=1))
