"""The HTML page of a replay."""

from tasks.replay.compare import compare_policies
from tasks.replay.policy_results import read_cpu_seconds
from tasks.replay.report import write_replay_page
from tasks.replay.run import Replay


def test_the_page_holds_everything_and_needs_nothing(finished_replay: Replay) -> None:
    path = write_replay_page(
        finished_replay,
        compare_policies(finished_replay),
        read_cpu_seconds(finished_replay),
        {"policies": 12.0},
    )
    html = path.read_text()
    assert "data:image/png;base64," in html
    assert "The blunt one" in html
    assert "shorter than requested: the lake" in html
    assert "http" not in html.split("<body>")[1]
    assert path.with_suffix(".png").stat().st_size > 20_000
