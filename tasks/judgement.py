"""The gate of a candidate: both models opened, on the rows that are fresh to both."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from configs.errors import NoRows
from configs.use_case import UseCase
from tasks.candidacy import Candidacy
from tasks.features import training_set
from tasks.promotion import Decision, decide
from tasks.registry import Model, open_model


def judge(it: Candidacy) -> Decision:
    """The gate, on rows later than all that either model has seen, labels known by then."""
    challenger, current = open_model(it.use_case.name, it.version), None
    if it.champion is not None and it.champion.version is not None:
        current = open_model(it.use_case.name, it.champion.version)
    try:
        rows = fresh_rows(it.use_case, challenger, current, it.at)
    except NoRows as none:
        return Decision("wait", f"no fresh labelled rows: {none}", {"gates": []})
    return decide(it.use_case, challenger, current, rows, it.entries)


def fresh_rows(
    use_case: UseCase, challenger: Model, current: Model | None, as_of: datetime
) -> pl.DataFrame:
    """Labelled rows predicted after both models' training and before `as_of`; NoRows if none is."""
    seen = [model.card.trained_until for model in (challenger, current) if model is not None]
    if max(seen) >= as_of:
        raise NoRows(f"one of the models has seen everything before {as_of}")
    return training_set(use_case, max(seen), as_of, as_of)
