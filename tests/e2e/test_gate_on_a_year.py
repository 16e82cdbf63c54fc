"""Two decisions of 2013, on the real flights with the product's own training, files and gate.

The champion is trained on January to March and stays. In August, what was trained on all data so
far must be let in; in December, what was trained on ninety days must not: it would have hurt.
Measured, improvement of the AUC: August +0.039 [+0.022, +0.052]; December -0.016 [-0.036, +0.003],
and shown to be worse in cost, at LGA and for MQ. A minute on two cores, half of it fitting.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from configs.schema.loading import load_use_case
from tasks.features import retrieval
from tasks.ingestion import feature_refresh
from tasks.models.registry import Model, open_model, register_version
from tasks.promotion.gate import Decision, decide_promotion
from tasks.training.fit import split_training_rows
from tests.support.artifacts import fit_artifact
from tests.support.lake_rows import land_rows
from tests.support.state import state

FLIGHTS = load_use_case("flights")
NEW_YEAR, APRIL, AUGUST, DECEMBER = (datetime(2013, m, 1, tzinfo=UTC) for m in (1, 4, 8, 12))
END = datetime(2014, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pl.DataFrame]:
    """The flights of 2013 with their features and labels, from a lake of their own."""
    with state(tmp_path_factory.mktemp("state"), {"OMP_WAIT_POLICY": "PASSIVE"}):
        land_rows(FLIGHTS, NEW_YEAR - timedelta(days=30), END + timedelta(days=2))
        feature_refresh.refresh_features(FLIGHTS, END + timedelta(days=2))
        yield retrieval.build_training_set(FLIGHTS, NEW_YEAR, END, END + timedelta(days=2))


@pytest.fixture(scope="module")
def champion(year: pl.DataFrame) -> Model:
    return train_on_span(year, NEW_YEAR, APRIL)


def train_on_span(year: pl.DataFrame, start: datetime, until: datetime) -> Model:
    """A version that was fitted and selected on [start, until), as a train run makes it."""
    as_of = until + FLIGHTS.split.holdout
    known = pl.col("label_known_time") < as_of
    parts = split_training_rows(FLIGHTS, year.filter(known, between(start, as_of)), as_of)
    artifact = fit_artifact(FLIGHTS, "boosting", parts)
    version = register_version(artifact, f"train:{start}:{until}")
    model = open_model(FLIGHTS.name, version)
    assert model.card.trained_until == until
    return model


def between(start: datetime, end: datetime) -> pl.Expr:
    return pl.col("prediction_time").is_between(start, end, closed="left")


def decide_on_fresh_rows(
    year: pl.DataFrame, challenger: Model, champion: Model, as_of: datetime
) -> tuple[Decision, dict[str, str]]:
    """The gate on all rows since the challenger was trained, and each line's verdict."""
    fresh = year.filter(between(challenger.card.trained_until, as_of))
    decision = decide_promotion(FLIGHTS, challenger, champion, fresh, [])
    return decision, {check.gate: check.verdict for check in decision.evidence.gates}


def test_all_data_so_far_are_let_in_in_august(year: pl.DataFrame, champion: Model) -> None:
    challenger = train_on_span(year, NEW_YEAR, AUGUST)
    decision, said = decide_on_fresh_rows(
        year, challenger, champion, AUGUST + FLIGHTS.split.holdout
    )
    assert decision.verdict == "pass", decision.reason
    assert set(said.values()) == {"pass"}
    auc = decision.evidence.differences["roc_auc"]
    assert (auc.blocks, auc.confidence) == (21, 0.95)
    assert 0.010 < auc.low < 0.030 < auc.improvement < 0.048 < auc.high < 0.065
    assert "improvement +0.0" in decision.reason


def test_ninety_days_are_refused_in_december(year: pl.DataFrame, champion: Model) -> None:
    challenger = train_on_span(year, DECEMBER - timedelta(days=90), DECEMBER)
    decision, said = decide_on_fresh_rows(year, challenger, champion, END)
    assert decision.verdict == "fail"
    found = decision.evidence.differences
    auc = found["roc_auc"]
    assert auc.blocks == 31
    assert -0.050 < auc.low < -0.025 < auc.improvement < -0.008 < auc.high < 0.010
    assert said["roc_auc"] == "fail"
    worse = [gate.removeprefix("slice ") for gate in said if gate.startswith("slice ")]
    assert said["slices"] == "fail"
    assert all(found[subject].high < 0 for subject in worse)
    assert "carrier=MQ" in worse
