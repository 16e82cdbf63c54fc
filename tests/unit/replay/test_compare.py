"""What policies come to: by week, against each other, and in words."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from configs.schema.loading import load_use_case
from configs.schema.retraining_policy import RetrainingPolicy, apply_policy
from tasks.ledger.log import Entry, EntryKind, Ledger
from tasks.replay import tables
from tasks.replay.compare import PolicyComparison, compare_policies, save_comparison
from tasks.replay.plan import PolicyJob, ReplayPlan
from tasks.replay.policy_results import read_cpu_seconds
from tasks.replay.report import write_replay_page
from tasks.replay.run import Replay
from tasks.replay.shared_training import LABELS_FILE
from tasks.storage.lake import Lake
from tests.support.flights import END, january

START = datetime(2013, 1, 1, tzinfo=UTC)
CASE = load_use_case("flights")
CASE = CASE.model_copy(update={"gate": CASE.gate.model_copy(update={"resamples": 1000})})
SHARPNESS = {"sharp": 0.35, "twin": 0.35, "blunt": 0.1, "mute": None}


@pytest.fixture
def replay(home: Path) -> Replay:
    """Four finished policies on real flights: two give the same answers, one never answers."""
    plan = ReplayPlan(
        use_case=CASE, start=START, end=END, asked=END + timedelta(days=9), known_until=END,
        pinned_lake="", pinned={},
    )  # fmt: skip
    folder = home / "replay"
    jobs = {}
    for name in SHARPNESS:
        policy = RetrainingPolicy(name=name, title=f"The {name} one")
        jobs[name] = PolicyJob(
            policy=policy, use_case=apply_policy(policy, CASE), steps=(), trained=folder
        )
    found = Replay(folder, plan, jobs)
    folder.mkdir()
    january().select(*CASE.spine.key, "prediction_time", "late").write_parquet(folder / LABELS_FILE)
    for name, sharpness in SHARPNESS.items():
        play(found, name, sharpness)
    return found


def play(replay: Replay, name: str, sharpness: float | None) -> None:
    place = replay.place_of(name)
    (place / "state").mkdir(parents=True)
    (place / "progress.json").write_text(json.dumps({"done": 1, "seconds": {"score": 36.0}}))
    book = Ledger(f"sqlite:///{place / 'state' / 'ledger.db'}")
    events: tuple[EntryKind, ...] = ("candidate_registered", "promoted", "candidate_registered")
    for number, what in enumerate(events):
        evidence = {"reason": "as told"}
        book.record(Entry("flights", what, f"{what}{number}", START, "test", number, evidence))
    if sharpness is None:
        return
    noise = np.random.default_rng(1).uniform(0, 0.5, january().height)
    rows = (
        january()
        .select(*CASE.spine.key, "prediction_time")
        .with_columns(probability=pl.Series(noise) + sharpness * january()["late"], model_version=1)
    )
    rows = rows.with_columns(decision=pl.col("probability") >= 0.4)
    Lake(str(place / "state" / "lake" / "flights")).append_once("predictions", {"all": rows})


def whole(found: PolicyComparison, policy: str) -> dict[str, float]:
    rows = found.numbers.filter(pl.col("policy") == policy, start=START, end=END)
    return dict(rows.select("subject", "value").iter_rows())


def test_every_week_and_the_whole_are_measured_with_intervals(replay: Replay) -> None:
    found = compare_policies(replay)
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
    assert whole(found, "sharp")["calibration"] == pytest.approx(
        0.25 + 0.35 * label.mean() - label.mean(), abs=0.01
    )


def test_regret_is_the_cost_beyond_the_best(replay: Replay) -> None:
    found = compare_policies(replay)
    of = {outcome.policy: outcome for outcome in found.outcomes}
    assert found.best.policy == "sharp"
    assert of["sharp"].regret == of["twin"].regret == 0
    beyond = whole(found, "blunt")["cost"] - whole(found, "sharp")["cost"]
    assert of["blunt"].regret == pytest.approx(beyond * january().height)
    assert (of["sharp"].best, of["twin"].best, of["blunt"].best) == (0.5, 0.5, 0.0)
    assert of["mute"].regret == float("inf")
    last = found.regrets.filter(pl.col("policy") == "blunt").sort("end")["regret"]
    assert 0 < last[0] < last[1] < of["blunt"].regret


def test_what_happened_is_counted_after_the_first_champion(replay: Replay) -> None:
    (first, *_) = compare_policies(replay).outcomes
    assert first.counts == {
        "alerts": 0, "retrains": 1, "promotions": 0, "refusals": 0, "rollbacks": 0,
    }  # fmt: skip
    assert first.scored == january().height


def test_pairs_are_compared_and_only_what_is_shown_is_said(replay: Replay) -> None:
    found = compare_policies(replay)
    assert set(found.differences) == {("sharp", "twin"), ("sharp", "blunt"), ("twin", "blunt")}
    said = {
        (row["policies"], row["subject"]): row["verdict"]
        for row in tables.tabulate_differences(found).records()
    }
    assert said["sharp against twin", "ROC AUC"] == "the same predictions"
    assert said["twin against blunt", "ROC AUC"] == "twin is better"
    (auc, *_) = found.differences["sharp", "blunt"]
    assert auc.confidence == pytest.approx(1 - 0.05 / 3)


def test_policies_with_the_same_answers_are_drawn_as_one(replay: Replay) -> None:
    assert compare_policies(replay).distinct == {"sharp": ["sharp", "twin"], "blunt": ["blunt"]}


def test_the_best_of_many_is_said_to_be_picked_afterwards(replay: Replay) -> None:
    said = " ".join(tables.list_warnings(compare_policies(replay)))
    assert (
        "sharp has the lowest cost of 4 policies. It was selected after all results were known"
        in said
    )
    assert "Every interval of a difference has 98.3% confidence, so that all 3 pairs" in said


def test_the_numbers_are_the_same_bytes_again(replay: Replay) -> None:
    path = save_comparison(compare_policies(replay), replay.folder)
    before = path.read_bytes()
    assert save_comparison(compare_policies(replay), replay.folder).read_bytes() == before


def test_the_page_holds_everything_and_needs_nothing(replay: Replay) -> None:
    path = write_replay_page(
        replay, compare_policies(replay), read_cpu_seconds(replay), {"policies": 12.0}
    )
    html = path.read_text()
    assert "data:image/png;base64," in html
    assert "The blunt one" in html
    assert "shorter than requested: the lake" in html
    assert "http" not in html.split("<body>")[1]
    assert path.with_suffix(".png").stat().st_size > 20_000


def test_compute_is_money_by_the_rate_of_the_settings(replay: Replay) -> None:
    comparison, seconds = compare_policies(replay), read_cpu_seconds(replay)
    row, *_, mute = tables.tabulate_outcomes(replay, comparison, seconds).records()
    assert list(mute) == list(row)
    assert (mute["policy"], mute["ROC AUC"], mute["regret"]) == ("mute", "–", "inf")
    assert (row["CPU s"], row["money"]) == ("36", "0.0005")
