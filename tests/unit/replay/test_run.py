"""Preparation of a replay."""

from concurrent.futures import ThreadPoolExecutor, TimeoutError
from pathlib import Path

import pytest

from configs.errors import BadConfig
from configs.schema.retraining_policy import load_policy
from infra.storage.locks import hold_file_lock
from tasks.replay.progress import ProgressMeter
from tasks.replay.run import prepare_replay
from tests.support.feature_tables import APRIL, FLIGHTS, WEEK, build_features_until


def test_what_is_begun_anew_waits_for_who_still_plays(home: Path) -> None:
    build_features_until(APRIL + WEEK)
    asked = (FLIGHTS, APRIL, APRIL + WEEK, [load_policy("never")])
    place = prepare_replay(*asked).place_of("never")
    with ThreadPoolExecutor(1) as another:
        with hold_file_lock(place / "lock"):
            anew = another.submit(prepare_replay, *asked, again=True)
            with pytest.raises(TimeoutError):
                anew.result(0.3)
            ProgressMeter(place).step_done()
        assert anew.result().place_of("never") == place
    assert ProgressMeter(place).done == 0


def test_a_replay_that_is_refused_leaves_nothing_and_costs_no_earlier_one(home: Path) -> None:
    build_features_until(APRIL + WEEK)
    never = load_policy("never")
    wrong = never.model_copy(update={"name": "wrong", "gate": {"confidence": 7}})
    asked = (FLIGHTS, APRIL, APRIL + WEEK)
    with pytest.raises(BadConfig, match="wrong"):
        prepare_replay(*asked, [never, wrong])
    assert not (home / "replays").exists()
    place = prepare_replay(*asked, [never]).place_of("never")
    ProgressMeter(place).step_done()
    with pytest.raises(BadConfig, match="wrong"):
        prepare_replay(*asked, [never, wrong], again=True)
    assert ProgressMeter(place).done == 1


def test_a_second_replay_of_a_period_has_results_of_its_own(home: Path) -> None:
    build_features_until(APRIL + WEEK)
    asked = (FLIGHTS, APRIL, APRIL + WEEK)
    never, monthly = load_policy("never"), load_policy("monthly")
    folders = {
        prepare_replay(*asked, policies).comparison_folder
        for policies in ([never], [monthly], [never, monthly], [monthly, never])
    }
    assert len(folders) == 3
