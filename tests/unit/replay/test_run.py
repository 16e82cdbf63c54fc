"""Preparation of a replay."""

from concurrent.futures import ThreadPoolExecutor, TimeoutError
from pathlib import Path

import pytest

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
