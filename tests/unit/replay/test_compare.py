"""What policies come to: by week, against each other, and in words."""

from datetime import timedelta

import polars as pl
import pytest

from tasks.replay import tables
from tasks.replay.compare import PolicyComparison, compare_policies, save_comparison
from tasks.replay.run import Replay
from tests.support.finished_replay import START
from tests.support.flights import END, january


def whole_period(found: PolicyComparison, policy: str) -> dict[str, float]:
    rows = found.numbers.filter(pl.col("policy") == policy, start=START, end=END)
    return dict(rows.select("subject", "value").iter_rows())


def test_every_week_and_the_whole_are_measured_with_intervals(finished_replay: Replay) -> None:
    found = compare_policies(finished_replay)
    own = found.numbers.filter(pl.col("policy") == "sharp", pl.col("subject") == "roc_auc")
    assert own.select("start", "end").rows() == [
        (START, START + timedelta(days=7)),
        (START + timedelta(days=7), START + timedelta(days=14)),
        (START, END),
    ]
    assert (own["low"] < own["value"]).all()
    assert (own["value"] < own["high"]).all()
    assert own["blocks"].to_list() == [7, 7, 20]
    label = january()["late"].to_numpy()
    rows = january().height
    assert own["rows"][-1] == rows
    assert whole_period(found, "sharp")["calibration"] == pytest.approx(
        0.25 + 0.35 * label.mean() - label.mean(), abs=0.01
    )


def test_regret_is_the_cost_beyond_the_best(finished_replay: Replay) -> None:
    found = compare_policies(finished_replay)
    of = {outcome.policy: outcome for outcome in found.outcomes}
    assert found.best.policy == "sharp"
    assert of["sharp"].regret == of["twin"].regret == 0
    beyond = whole_period(found, "blunt")["cost"] - whole_period(found, "sharp")["cost"]
    assert of["blunt"].regret == pytest.approx(beyond * january().height)
    assert (of["sharp"].best, of["twin"].best, of["blunt"].best) == (0.5, 0.5, 0.0)
    assert of["mute"].regret == float("inf")
    last = found.regrets.filter(pl.col("policy") == "blunt").sort("end")["regret"]
    assert 0 < last[0] < last[1] < of["blunt"].regret


def test_what_happened_is_counted_after_the_first_champion(finished_replay: Replay) -> None:
    (first, *_) = compare_policies(finished_replay).outcomes
    assert first.counts == {
        "alerts": 0, "retrains": 1, "promotions": 0, "refusals": 0, "rollbacks": 0,
    }  # fmt: skip
    assert first.scored == january().height


def test_pairs_are_compared_and_only_what_is_shown_is_said(finished_replay: Replay) -> None:
    found = compare_policies(finished_replay)
    assert set(found.differences) == {("sharp", "twin"), ("sharp", "blunt"), ("twin", "blunt")}
    said = {
        (row["policies"], row["subject"]): row["verdict"]
        for row in tables.tabulate_differences(found).records()
    }
    assert said["sharp against twin", "ROC AUC"] == "the same predictions"
    assert said["twin against blunt", "ROC AUC"] == "twin is better"
    (auc, *_) = found.differences["sharp", "blunt"]
    assert auc.confidence == pytest.approx(1 - 0.05 / 3)


def test_policies_with_the_same_answers_are_drawn_as_one(finished_replay: Replay) -> None:
    assert compare_policies(finished_replay).distinct == {
        "sharp": ["sharp", "twin"],
        "blunt": ["blunt"],
    }


def test_the_numbers_are_the_same_bytes_again(finished_replay: Replay) -> None:
    path = save_comparison(compare_policies(finished_replay), finished_replay.folder)
    before = path.read_bytes()
    assert (
        save_comparison(compare_policies(finished_replay), finished_replay.folder).read_bytes()
        == before
    )
