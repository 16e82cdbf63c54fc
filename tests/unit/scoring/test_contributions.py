"""Every flagged row that is used gets its largest contributions, and scoring again changes none."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from configs.schema.monitoring import Explanations
from configs.schema.use_case import UseCase
from tasks.models.registry import Model
from tasks.models.row_contributions import explain_rows
from tasks.rollout.prediction_log import CONTRIBUTIONS
from tasks.rollout.routing import Route
from tasks.scoring.batch import ScoredRoute, build_prediction_rows
from tasks.scoring.contributions import explain_flagged
from tasks.scoring.predictions import write_prediction_table
from tasks.storage.lake import open_lake
from tests.support.artifacts import fit_artifact, open_artifact
from tests.support.flights import END, january, quick_use_case

WINDOW = (END - timedelta(days=2), END)
KEY = ["carrier", "flight", "origin", "flight_date"]


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    return quick_use_case().model_copy(update={"explanations": Explanations(flagged=True, top=3)})


@pytest.fixture(scope="module")
def model(use_case: UseCase) -> Model:
    return open_artifact(fit_artifact(use_case, "boosting"))


@pytest.fixture
def scored(use_case: UseCase, model: Model) -> ScoredRoute:
    """Two versions answer, and of every second row the challenger's answer is used."""
    time = pl.col("prediction_time")
    rows = january().filter(time >= WINDOW[0], time < WINDOW[1]).with_row_index()
    rows = rows.with_columns(weekday=pl.when(pl.col("index") % 7 > 0).then("weekday"))
    other = Model(model.card, model.session, 2, model.golden)
    parts = [rows.filter(pl.col("index") % 2 == i) for i in (0, 1)]
    used = [
        build_prediction_rows(use_case, m, part, arm, END, "run")
        for m, part, arm in zip((model, other), parts, ("champion", "challenger"), strict=True)
    ]
    service = model.card.feature_service
    return ScoredRoute(
        Route(*WINDOW, 1, 2, 0.5), pl.concat(used), models={1: model, 2: other},
        features={service: rows},
    )  # fmt: skip


def test_every_flagged_row_gets_its_largest_contributions(use_case, model, scored):
    found = explain_flagged(use_case, scored)
    flagged = scored.predictions.filter("decision")
    assert found.height == 3 * flagged.height > 0
    assert (
        found.select(*KEY, "model_version")
        .unique()
        .sort(KEY)
        .equals(flagged.select(*KEY, "model_version").sort(KEY))
    )
    one = found.filter(pl.struct(KEY) == found.select(pl.struct(KEY)).row(30)[0])
    frame = scored.features[model.card.feature_service].join(one.select(KEY).unique(), on=KEY)
    whole = explain_rows(model, frame, use_case.explanations.permutations, use_case.seed)[0]
    largest = np.argsort(-np.abs(whole))[:3]
    assert one["rank"].to_list() == [1, 2, 3]
    assert one["input"].to_list() == [model.card.inputs.inputs[i] for i in largest]
    assert one["contribution"].to_list() == whole[largest].tolist()
    for name, value in one.select("input", "value").iter_rows():
        assert value == (None if frame[name][0] is None else frame[name].cast(pl.String)[0])
    assert found.filter(input="weekday")["value"].null_count() > 0


def test_scoring_again_commits_nothing_and_less_flagged_replaces(use_case, scored, home):
    rows = explain_flagged(use_case, scored)
    assert (
        write_prediction_table(use_case, CONTRIBUTIONS, rows, WINDOW)
        == write_prediction_table(use_case, CONTRIBUTIONS, rows.reverse(), WINDOW)
        == 0
    )
    assert (
        write_prediction_table(
            use_case, CONTRIBUTIONS, pl.DataFrame(), (END, END + timedelta(days=1))
        )
        == 0
    )
    assert write_prediction_table(use_case, CONTRIBUTIONS, rows.clear(), WINDOW) == 1
    assert open_lake("flights").scan(CONTRIBUTIONS).collect().is_empty()


def test_nothing_predicted_is_no_table(use_case, scored, home):
    rows = explain_flagged(use_case, ScoredRoute(scored.route))
    assert write_prediction_table(use_case, CONTRIBUTIONS, rows, WINDOW) is None
    assert not open_lake("flights").exists(CONTRIBUTIONS)


def test_nothing_flagged_is_rows_without_any(use_case, scored):
    calm = scored.predictions.with_columns(decision=pl.lit(value=False))
    found = explain_flagged(use_case, replace(scored, predictions=calm))
    assert found.is_empty()
    assert "contribution" in found.columns
