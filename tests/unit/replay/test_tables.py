"""Tables of a comparison of policies."""

from tasks.replay import tables
from tasks.replay.compare import compare_policies
from tasks.replay.policy_results import read_cpu_seconds
from tasks.replay.run import Replay


def test_the_best_of_many_is_said_to_be_picked_afterwards(finished_replay: Replay) -> None:
    said = " ".join(tables.list_warnings(compare_policies(finished_replay)))
    assert (
        "sharp has the lowest cost of 4 policies. It was selected after all results were known"
        in said
    )
    assert "Every interval of a difference has 98.3% confidence, so that all 3 pairs" in said


def test_compute_is_money_by_the_rate_of_the_settings(finished_replay: Replay) -> None:
    comparison, seconds = compare_policies(finished_replay), read_cpu_seconds(finished_replay)
    row, *_, mute = tables.tabulate_outcomes(finished_replay, comparison, seconds).records()
    assert list(mute) == list(row)
    assert (mute["policy"], mute["ROC AUC"], mute["regret"]) == ("mute", "–", "inf")
    assert (row["CPU s"], row["money"]) == ("36", "0.0005")
