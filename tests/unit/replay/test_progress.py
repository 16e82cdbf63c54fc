"""What is spent is counted by kind, and goes on after a kill."""

from pathlib import Path

import pytest

from tasks.replay.progress import ProgressMeter, cpu_seconds


def burn(seconds: float) -> None:
    until = cpu_seconds() + seconds
    while cpu_seconds() < until:
        pass


def test_what_is_inside_is_not_counted_twice(tmp_path: Path) -> None:
    meter = ProgressMeter(tmp_path)
    with meter.of("answer"):
        burn(0.02)
        with meter.of("train"):
            burn(0.05)
        burn(0.02)
    assert meter.seconds["answer"] == pytest.approx(0.04, abs=0.02)
    assert meter.seconds["train"] == pytest.approx(0.05, abs=0.02)


def test_an_error_ends_what_it_was_counted_as(tmp_path: Path) -> None:
    meter = ProgressMeter(tmp_path)
    with pytest.raises(ValueError, match="x"), meter.of("score"):
        raise ValueError("x")
    burn(0.05)
    with meter.of("monitor"):
        pass
    assert meter.seconds["score"] < 0.02


def test_the_next_process_goes_on(tmp_path: Path) -> None:
    first = ProgressMeter(tmp_path)
    first.add("train", 7.5)
    first.step_done()
    first.step_done()
    first.add("train", 100.0)  # and was killed
    again = ProgressMeter(tmp_path)
    assert again.done == 2
    assert again.seconds["train"] == 7.5
