"""Versions of models of real flights, and what the flows do with them, by the tasks' functions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from configs.schema.use_case import UseCase
from feature_repo.flights import transforms
from tasks.features import retrieval
from tasks.ingestion import feature_refresh
from tasks.ledger.log import Entry, EntryKind, open_ledger
from tasks.models import registry
from tasks.models.registry import Model, open_model
from tasks.rollout.prediction_log import PREDICTIONS, SHADOWS
from tasks.scoring.batch import ScoredRoute, find_scoring_routes, score_route
from tasks.scoring.predictions import write_prediction_table
from tasks.storage.chunks import TimeSpan
from tasks.storage.lake import open_lake
from tasks.training.fit import TrainingSplit, split_training_rows
from tests.support import lake_rows
from tests.support.artifacts import fit_artifact
from tests.support.state import forget, state

NAME = "flights"


def trained_on(
    use_case: UseCase, as_of: datetime, until: datetime, landed: timedelta, trained: timedelta
) -> TrainingSplit:
    """The rows of `trained` before a moment, in parts; the lake holds what landed, until later."""
    lake_rows.land_rows(use_case, as_of - landed, until)
    feature_refresh.refresh_features(use_case, until)
    rows = retrieval.build_training_set(use_case, as_of - trained, as_of, as_of)
    return split_training_rows(use_case, rows, as_of)


def register_candidate_versions(
    use_case: UseCase, name: str, parts: TrainingSplit, origins: Sequence[object],
    tables: dict[str, int] | None = None,
) -> None:  # fmt: skip
    """Fit a candidate and register it, a version an origin."""
    artifact = fit_artifact(use_case, name, parts, tables)
    for origin in origins:
        registry.register_version(artifact, f"train:{origin}")


@contextmanager
def two_versions(
    folder: Path,
    use_case: UseCase,
    label: Callable[..., pl.LazyFrame],
    names: Sequence[str],
    as_of: datetime,
    trained: timedelta,
) -> Iterator[TrainingSplit]:
    """Flights in a lake of their own, and versions 1 and 2 of another label than is late.

    Args:
        folder: of the state.
        use_case: flights, with the function of this label.
        label: the function that the use case names; it is put into the feature module.
        names: candidates to register.
        as_of: end of the training; rows land until nine days later.
        trained: span of the training.
    """
    with state(folder) as patch:
        patch.setattr(transforms, label.__name__, label, raising=False)
        landed = trained + timedelta(days=3)
        split = trained_on(use_case, as_of, as_of + timedelta(days=9), landed, trained)
        for name in names:
            register_candidate_versions(use_case, name, split, [name], {"raw/arrivals": 0})
        yield split


def begin_anew(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A ledger of the test's own, and nothing scored yet."""
    monkeypatch.setenv("MAINSPRING_LEDGER_URL", f"sqlite:///{folder}/ledger.db")
    forget()
    for table in (PREDICTIONS, SHADOWS, "monitoring"):
        shutil.rmtree(open_lake(NAME).uri(table), ignore_errors=True)


def record_event(what: EntryKind, at: datetime, version: int, **evidence: Any) -> None:
    open_ledger().record(Entry(NAME, what, f"{what}:{version}", at, "test", version, evidence))


def score_window(use_case: UseCase, window: TimeSpan, run: str = "run 1") -> list[ScoredRoute]:
    return [
        score_route(use_case, cast, window[1], run)
        for cast in find_scoring_routes(use_case, window)
    ]


def save_scored_window(
    use_case: UseCase, window: TimeSpan, run: str = "run 1"
) -> list[ScoredRoute]:
    """Score a window as the flow does."""
    found = score_window(use_case, window, run)
    write_prediction_table(use_case, SHADOWS, pl.concat(each.shadows for each in found), window)
    write_prediction_table(
        use_case, PREDICTIONS, pl.concat(each.predictions for each in found), window
    )
    return found


def score_and_read(use_case: UseCase, window: TimeSpan) -> pl.DataFrame:
    """Score a window as the flow does; return the used predictions."""
    save_scored_window(use_case, window)
    return read_predictions(PREDICTIONS)


def read_predictions(table: str, *order: str) -> pl.DataFrame:
    """What a table of answers holds, in order of prediction time."""
    return open_lake(NAME).scan(table).collect().sort("prediction_time", *order)


def open_flights_version(version: int) -> Model:
    return open_model("flights", version)
