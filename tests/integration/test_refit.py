"""A refit from the gate to the champion: killed anywhere, its card, its reproduction."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from infra import fault_injection
from tasks.ledger.log import open_ledger
from tasks.ledger.projections import find_champion, list_unanswered
from tasks.model_cards.text import render_card
from tasks.models.registry import open_model
from tasks.promotion.gate import predict_for_gate
from tasks.promotion.refitting.refit import refit_judged_version
from tasks.replay import simulate
from tasks.replay.shared_training import train_files
from tasks.training.fit import fit_on_rows
from tasks.training.refit import load_recorded_use_case
from tasks.training.reproduce import compare_reproduction
from tasks.training.reproduce_worker import retrain_from_card
from tests.support.parcel_rows import APRIL, DAY, MARCH, parcel_rows
from tests.support.processes import fault_points

pytestmark = pytest.mark.system

REFIT = {
    "split": {"refit": "after_gate"},
    "bake": {"margin": 0.1, "cost_margin": 1, "slice_margin": 0.5},
}


class Killed(Exception):
    """Stands for a SIGKILL."""


@pytest.fixture
def parcels(make_case):
    """A candidate that passes the gate, of a use case that refits."""
    case = make_case(yaml=REFIT)
    case.land("spring", parcel_rows(MARCH, days=44))
    case.ingest(APRIL + 4 * DAY)
    case.train(APRIL + 4 * DAY)
    return case


def answer_all(case):
    simulate.answer_requests(case.use_case, train_files)
    return open_ledger().entries(case.name)


def test_a_refit_takes_the_place_of_the_judged_version(parcels):
    entries = answer_all(parcels)
    told = [(e.what, e.version) for e in entries]
    assert told == [
        ("candidate_registered", 1), ("refit_asked", 1), ("candidate_registered", 2),
        ("promoted", 2),
    ]  # fmt: skip
    judged, refit = open_model(parcels.name, 1), open_model(parcels.name, 2)
    assert refit.card.trained_until == judged.card.end == APRIL + 4 * DAY
    assert refit.card.rows["train"] == sum(judged.card.rows.values())
    assert refit.card.holdout == judged.card.holdout, "no row is left to measure it on"
    assert (refit.card.threshold, refit.card.algorithm) == (judged.card.threshold, "boosting")
    text = render_card(refit.card)
    assert "refit of version 1" in text
    assert "refit: agreement" in text


def test_a_refit_killed_anywhere_ends_the_same(parcels, monkeypatch):
    survived = []
    for point in fault_points("record the step", "register the refit", "record the refit"):

        def die(passed, point=point):
            if passed == point:
                raise Killed(point)

        with monkeypatch.context() as patch:
            patch.setattr(fault_injection, "_pass_point", die)
            try:
                answer_all(parcels)
            except Killed:
                continue
        survived.append(point)
    assert survived == []
    entries = answer_all(parcels)
    assert [e.version for e in entries if e.what == "promoted"] == [2]
    assert find_champion(entries).version == 2
    assert [e.what for e in entries].count("candidate_registered") == 2
    assert list_unanswered(entries) == []


def test_a_refit_that_went_wrong_stops_nothing(parcels, monkeypatch):
    def learn_the_opposite(use_case, name, rows, threshold):
        return fit_on_rows(
            use_case, name, rows.with_columns(damaged=1 - pl.col("damaged")), threshold
        )

    monkeypatch.setattr("tasks.training.refit.fit_on_rows", learn_the_opposite)
    entries = answer_all(parcels)
    dropped = next(e for e in entries if e.what == "refit_dropped")
    assert "refit: agreement" in dropped.evidence["reason"]
    assert find_champion(entries).version == 1


def test_refit_uses_the_recorded_settings(parcels):
    parcels.rewrite(yaml={"candidates": {"boosting": {"params": {"max_iter": 1}}}})
    judged = open_model(parcels.name, 1)
    artifact = refit_judged_version(judged, APRIL + 4 * DAY)
    assert artifact.card.candidate.params["max_iter"] == 8
    assert artifact.card.end - artifact.card.trained_until == timedelta(0)
    rows = parcel_rows(MARCH, days=1).with_columns(prediction_time="sent")
    case = load_recorded_use_case(judged.card)
    assert np.isfinite(predict_for_gate(case, judged, rows).value).all()


def test_a_refit_is_reproduced(parcels):
    answer_all(parcels)
    refit = open_model(parcels.name, 2)
    exported, result = retrain_from_card(refit.card)
    again = compare_reproduction(refit, exported.onnx, result, "here", ())
    assert again.equal, again
    assert again.same_file
