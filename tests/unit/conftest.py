"""Fixtures of several unit tests."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from configs.schema.use_case import UseCase
from tasks.ledger.log import Entry, Ledger
from tasks.models.card import ModelCard
from tasks.models.registry import Model
from tasks.training.build_card import build_model_card
from tasks.training.fit import FittedCandidate, TrainingSplit, fit_candidate, split_training_rows
from tasks.training.onnx_export import ExportedModel, export_candidate
from tests.support.artifacts import fit_artifact, open_artifact
from tests.support.flights import END, january, quick_use_case
from tests.support.scored_window import WINDOW


@pytest.fixture(scope="module")
def january_split() -> TrainingSplit:
    return split_training_rows(quick_use_case(), january(), END)


@pytest.fixture(scope="module", params=["logistic", "boosting"])
def fitted_flights(request: pytest.FixtureRequest, january_split: TrainingSplit) -> FittedCandidate:
    return fit_candidate(quick_use_case(), request.param, january_split)


@pytest.fixture(scope="module")
def holdout_case() -> UseCase:
    flights = quick_use_case()
    split = flights.split.model_copy(update={"holdout": timedelta(days=8)})
    return flights.model_copy(update={"split": split})


@pytest.fixture(scope="module")
def holdout_split(holdout_case: UseCase) -> TrainingSplit:
    return split_training_rows(holdout_case, january(), END)


@pytest.fixture(scope="module")
def holdout_model(holdout_case: UseCase, holdout_split: TrainingSplit) -> ExportedModel:
    return export_candidate(
        holdout_case, fit_candidate(holdout_case, "boosting", holdout_split), holdout_split
    )


@pytest.fixture(scope="module")
def holdout_card(
    holdout_case: UseCase, holdout_split: TrainingSplit, holdout_model: ExportedModel
) -> ModelCard:
    return build_model_card(
        holdout_case, holdout_split, [holdout_model.fitted], holdout_model, {"raw/schedules": 3}
    )


@pytest.fixture(scope="module")
def quick_case() -> UseCase:
    return quick_use_case()


@pytest.fixture(scope="module")
def logistic_model(quick_case: UseCase) -> Model:
    return open_artifact(fit_artifact(quick_case, "logistic"))


@pytest.fixture
def window_rows() -> pl.DataFrame:
    at = pl.col("prediction_time")
    return january().filter(at >= WINDOW[0], at < WINDOW[1])


GATES = [
    {"gate": "roc_auc", "asked": "superiority", "measured": "0.71 | 0.70", "verdict": "pass"},
    {"gate": "cost", "asked": "no worse", "measured": "0.5", "verdict": "fail"},
]


@pytest.fixture
def version_story() -> list[Entry]:
    def entry(what, key, version, days, **evidence):
        at = END + timedelta(days=days)
        return Entry("flights", what, key, at, "somebody", version, evidence, seq=days + 1)

    candidate = {
        "origin": "alert:a", "algorithm": "logistic", "rows": {"train": 9},
        "holdout": {"roc_auc": 0.7, "cost": 0.5},
    }  # fmt: skip
    return [
        entry("promoted", "decision:1", 1, 0, reason="the first"),
        entry("alert_raised", "alert:a", None, 1, message="AUC fell"),
        entry("alert_raised", "alert:b", None, 2, message="another cause"),
        entry("candidate_registered", "candidate:alert:a", 2, 3, **candidate),
        entry("promoted", "decision:2", 2, 4, reason="all gates passed", gates=GATES),
    ]


@pytest.fixture
def book(tmp_path: Path) -> Ledger:
    """An empty ledger."""
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
