"""What the ledger draws into a picture: roll-outs by stage, bake windows, and where each ends."""

from dataclasses import replace
from datetime import timedelta

from tasks.reporting.ledger_marks import find_ledger_bands
from tests.support.ledger_entries import START, entry, numbered

UNTIL = START + timedelta(days=60)


def with_evidence(entry, **evidence):
    return replace(entry, evidence=evidence)


def band_days(entries):
    found = find_ledger_bands(numbered(*entries), UNTIL)
    return [(b.name, (b.start - START).days, (b.end - START).days) for b in found]


def test_a_canary_has_a_band_a_stage_and_then_it_bakes():
    bake = (START + timedelta(days=42)).isoformat()
    story = [
        with_evidence(entry("promoted", "decision:1", 1), bake_until=None),
        with_evidence(entry("rollout_started", "rollout:2", 2), share=0.1),
        with_evidence(entry("rollout_grown", "rollout:2:1", 2, day=7), share=0.5),
        with_evidence(entry("promoted", "decision:2", 2, day=14), bake_until=bake),
    ]
    stages = [("v2 at 10%", 0, 7), ("v2 at 50%", 7, 14)]
    assert band_days(story) == [*stages, ("v2 bakes", 14, 42)]
    assert band_days(story[:3]) == [stages[0], ("v2 at 50%", 7, 60)]
    undone = entry("rolled_back", "rollback:4", 1, day=21)
    assert band_days([*story, undone]) == [*stages, ("v2 bakes", 14, 21)]


def test_a_shadow_is_called_one_and_ends_with_its_refusal():
    story = [
        with_evidence(entry("rollout_started", "rollout:2", 2, day=3), share=0),
        entry("refused", "decision:2", 2, day=10),
    ]
    assert band_days(story) == [("v2 in shadow", 3, 10)]
