"""Next steps: state, due moment and one sentence for every kind of situation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.ledger.log import Entry, EntryKind
from tasks.ledger.state import fold_ledger
from tasks.overview.facts import ModelFacts
from tasks.overview.next_steps import (
    describe_age,
    describe_next_step,
    find_model_state,
    find_next_due,
)

AT = datetime(2013, 6, 1, tzinfo=UTC)
CANDIDATE = {"origin": "train:1", "algorithm": "boosting", "rows": {"train": 9}, "holdout": {}}
ROLLOUT = {
    "kind": "canary", "champion_version": 1, "shares": [0.1, 0.5], "share": 0.1, "stage": 0,
    "stages": 2, "step_seconds": 604800.0, "patience_seconds": 9e6, "unit": ["carrier"],
}  # fmt: skip


def make_entry(
    what: EntryKind, version: int | None = None, key: str = "", **evidence: Any
) -> Entry:
    return Entry("calm", what, key or f"{what}:{version}", AT, "test", version, evidence)


def with_entries(facts: ModelFacts, *entries: Entry, known: bool = True) -> ModelFacts:
    numbered = [replace(each, seq=place) for place, each in enumerate(entries, 1)]
    measured = facts.measured if known else facts.measured.clear()
    moment = max(facts.moment, AT)
    return replace(facts, ledger=fold_ledger(numbered), measured=measured, moment=moment)


def open_cause(kind: str, severity: str = "page") -> Entry:
    cause = f"{kind}:x"
    message = f"{kind} is bad"
    return make_entry(
        "episode_opened", 1, f"episode:{kind}", cause=cause, kind=kind, severity=severity,
        message=message,
    )  # fmt: skip


PROMOTED = make_entry("promoted", 1, "decision:1")
SITUATIONS: list[tuple[list[Entry], str, str]] = [
    ([], "new", "No champion yet: run `mainspring run train calm`."),
    ([PROMOTED], "well", "Nothing: every rule that could be judged holds."),
    ([PROMOTED, open_cause("performance")], "alert", "Nothing yet: the next monitor run asks"),
    (
        [PROMOTED, open_cause("performance"), make_entry("alert_raised", 1, "alert:1")],
        "alert",
        "Nothing yet: a retraining is asked for",
    ),
    (
        [
            PROMOTED,
            open_cause("performance"),
            make_entry("candidate_registered", 2, "c", **CANDIDATE),
        ],
        "alert",
        "Nothing yet: version 2 answers the alert",
    ),
    ([PROMOTED, open_cause("silence")], "alert", "Find out why nothing arrives: silence is bad."),
    ([PROMOTED, open_cause("lost")], "alert", "Look at the lost rows"),
    ([PROMOTED, open_cause("contract")], "alert", "Look at the source of the data"),
    ([PROMOTED, open_cause("bake")], "alert", "Look whether the champion stays"),
    ([PROMOTED, open_cause("drift", "ticket")], "ticket", "Nothing yet: the next monitor run"),
    ([PROMOTED, open_cause("drift", "inform")], "well", "Nothing: every rule"),
    (
        [PROMOTED, make_entry("candidate_registered", 2, "c", **CANDIDATE)],
        "well",
        "Nothing: version 2 waits for enough fresh labels",
    ),
    (
        [
            PROMOTED,
            make_entry("candidate_registered", 2, "c", **CANDIDATE),
            make_entry("approval_asked", 2),
        ],
        "waits",
        "Approve or reject version 2: mainspring approve calm 2.",
    ),
    (
        [
            PROMOTED,
            make_entry("candidate_registered", 2, "c", **CANDIDATE),
            make_entry("rollout_started", 2, **ROLLOUT),
        ],
        "well",
        "Nothing: version 2 makes 10% of the decisions, stage 1 of 2",
    ),
]


@pytest.mark.parametrize(("entries", "state", "step"), SITUATIONS)
def test_a_situation_has_its_state_and_one_sentence(
    facts: ModelFacts, entries: list[Entry], state: str, step: str
) -> None:
    situation = replace(with_entries(facts, *entries), latest=facts.latest)
    sentence = describe_next_step(situation)
    assert (find_model_state(situation), sentence[: len(step)]) == (state, step)
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_without_a_mature_metric_nothing_is_well(facts: ModelFacts) -> None:
    unknown = with_entries(facts, PROMOTED, known=False)
    assert find_model_state(unknown) == "unknown"
    assert describe_next_step(unknown).startswith("Nothing yet: too few labels")


def test_find_next_due_is_the_earliest_of_deadlines_reviews_and_bakes(facts: ModelFacts) -> None:
    bakes = make_entry(
        "promoted", 1, "d", bake_until=(facts.moment + timedelta(days=3)).isoformat()
    )
    due = find_next_due(replace(with_entries(facts, bakes), latest={}))
    assert due == (facts.moment + timedelta(days=3), "end of the bake window")
    arrived = replace(with_entries(facts, bakes), latest={"landed": facts.moment})
    assert find_next_due(arrived) == (facts.moment + timedelta(hours=6), "new rows")
    assert find_next_due(replace(with_entries(facts, PROMOTED), latest={})) is None


def test_what_is_overdue_is_named(facts: ModelFacts) -> None:
    late = with_entries(facts, PROMOTED)
    late = replace(late, latest=facts.latest | {"scored": late.moment - timedelta(days=2)})
    assert describe_next_step(late).startswith("Look why a score run did not arrive by")
    assert find_model_state(late) == "overdue"


def test_a_review_that_waits_for_labels_is_not_late(facts: ModelFacts) -> None:
    candidate = make_entry("candidate_registered", 2, "c", **CANDIDATE)
    waits = with_entries(facts, PROMOTED, candidate, make_entry("rollout_started", 2, **ROLLOUT))
    waits = replace(waits, moment=AT + timedelta(days=9), latest={})
    assert find_model_state(waits) != "overdue"
    assert find_next_due(waits) == (AT + timedelta(days=7), "review of version 2")


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(days=63, hours=5), "63 days"),
        (timedelta(days=1), "1 day"),
        (timedelta(hours=23), "23 hours"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(days=-1), "0 min"),
    ],
)
def test_describe_age_uses_the_largest_unit(span: timedelta, words: str) -> None:
    assert describe_age(AT, AT + span) == words
