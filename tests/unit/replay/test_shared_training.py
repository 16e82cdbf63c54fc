"""Which trainings are the same, and that the second one gets the first one's files."""

from datetime import timedelta
from pathlib import Path

import pytest

from configs.schema.loading import load_use_case
from configs.schema.retraining_policy import RetrainingPolicy, apply_policy, load_policy
from configs.schema.use_case import UseCase
from tasks.replay import shared_training
from tasks.replay.shared_training import TrainedFiles, hash_training_inputs, train_once
from tasks.training.fit import split_training_rows
from tests.support.artifacts import fit_artifact
from tests.support.flights import END, january, quick_use_case

FLIGHTS = load_use_case("flights")


def flights_under_policy(**sections: object) -> UseCase:
    return apply_policy(
        RetrainingPolicy.model_validate({"name": "mine", "title": "mine", **sections}), FLIGHTS
    )


@pytest.mark.parametrize("name", ["never", "monthly", "drift", "performance", "both"])
def test_policies_that_only_ask_otherwise_share_their_trainings(name: str) -> None:
    other = apply_policy(load_policy(name), FLIGHTS)
    assert hash_training_inputs(other, END) == hash_training_inputs(FLIGHTS, END)


def test_what_lets_in_or_watches_makes_no_other_training() -> None:
    same = flights_under_policy(
        rollout={"kind": "direct"}, bake={"window": "7d"}, retrain={"cooldown": "1d"},
        monitor={"drift": {"informs": []}},
    )  # fmt: skip
    assert hash_training_inputs(same, END) == hash_training_inputs(FLIGHTS, END)


def test_everything_else_does() -> None:
    others = [
        flights_under_policy(retrain={"window": "90d"}),
        flights_under_policy(monitor={"window": "14d"}),
        flights_under_policy(monitor={"drift": {"floor": 0.2}}),
        flights_under_policy(gate={"confidence": 0.9}),
        FLIGHTS.model_copy(update={"seed": 1}),
        FLIGHTS.model_copy(update={"split": FLIGHTS.split.model_copy(update={"min_rows": 5})}),
    ]
    keys = {hash_training_inputs(other, END) for other in [FLIGHTS, *others]}
    keys.add(hash_training_inputs(FLIGHTS, END + timedelta(seconds=1)))
    assert len(keys) == len(others) + 2


def test_the_second_one_gets_the_same_files_and_its_own_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_training, "train_files", train_without_lake)
    one = quick_use_case()
    first, known = train_once(tmp_path, one, END)
    again, before = train_once(tmp_path, one, END)
    assert (known, before) == (False, True)
    assert (again.artifact.onnx, again.seconds) == (first.artifact.onnx, first.seconds)
    assert again.artifact.golden.equals(first.artifact.golden)
    assert again.artifact.card == first.artifact.card
    bake = one.bake.model_copy(update={"window": timedelta(days=3)})
    other = one.model_copy(update={"bake": bake})
    found, before = train_once(tmp_path, other, END)
    assert before
    assert found.artifact.card.configuration["bake"]["window"] == "3d"
    assert (
        found.artifact.card.model_copy(update={"configuration": first.artifact.card.configuration})
        == first.artifact.card
    )


def train_without_lake(use_case: UseCase, as_of: object, judged: object = None) -> TrainedFiles:
    """As `shared.train`, on rows that need no lake."""
    parts = split_training_rows(use_case, january(), END)
    return TrainedFiles(fit_artifact(use_case, "logistic", parts), 1.5)
