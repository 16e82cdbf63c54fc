"""The benchmark itself, at a size that says nothing: it runs, and its JSON has the known shape."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from configs.settings import ROOT


@pytest.mark.timeout(900)
def test_a_small_bench_writes_ratios_and_what_they_are_made_of(tmp_path: Path) -> None:
    words = ["--sizes", "3000", "--stages", "feature tables", "--rounds", "1"]
    places = ["--folder", str(tmp_path / "made"), "--json", str(tmp_path / "bench.json")]
    command = [sys.executable, "-m", "tests.benchmarks", *words, *places]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "all again / a day" in done.stdout
    found = json.loads((tmp_path / "bench.json").read_text())
    assert set(found) == {
        "at",
        "machine",
        "versions",
        "ratios",
        "results",
        "imports",
        "loop",
        "overview",
    }
    (ratio,) = found["ratios"]
    assert ratio["ratio"] > 0
    assert {"stage", "rows", "slow", "fast", "wall_ratio", "wanted", "holds"} <= set(ratio)
    for result in found["results"]:
        (run,) = result["runs"]
        assert result["seconds"] == run["seconds"] > 0
        assert run["peak_mib"] >= run["before_mib"] > 50
        assert run["value"] > 200, "a day has 288 rows of three airports"
    assert not list((tmp_path / "made").glob("lake-*-*")), "a borrowed lake was left"
