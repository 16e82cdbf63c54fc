"""A refit takes the place of the version that passed the gate, or that version goes on itself."""

import numpy as np
import pytest

from configs.schema.promotion import Direct
from configs.schema.training import Split
from tasks.ledger.projections import (
    find_champion,
    find_decision,
    find_refit_request,
    list_unanswered,
    list_undecided_candidates,
)
from tasks.ledger.refit_entries import make_refit_dropped
from tasks.promotion.refitting.refit import check_agreement, measure_agreement
from tests.support.candidates import (
    NAME,
    day,
    never,
    record,
    record_registered,
    rollout_use_case,
    says,
    step,
)

SPLIT = {"split": Split(refit="after_gate")}
DIRECT = rollout_use_case(Direct()).model_copy(update=SPLIT)
CANARY = rollout_use_case().model_copy(update=SPLIT)
MANUAL = rollout_use_case(Direct(), approval="manual").model_copy(update=SPLIT)
AGREES = {"gate": "refit: agreement", "asked": "0.8", "measured": "0.99", "verdict": "pass"}


@pytest.fixture
def asked(book):
    """A champion of version 1, and version 2 that passed the gate and waits for its refit."""
    record(book, "promoted", "decision:1", day(0), 1)
    record_registered(book, 2, day(1))
    assert step(book, DIRECT, 2, gate=says("pass", "better")).what == "refit_asked"
    return book


def record_refit_of_two(book):
    said = {"origin": "refit:2", "refit_of": 2, "gates": [AGREES], "trained_until": "2013-04-02"}
    return record(book, "candidate_registered", "candidate:refit:2", day(1), 3, **said)


def drop_refit(book):
    request = find_refit_request(book.entries(NAME), 2)
    return book.record(make_refit_dropped(request, "test", "too few rows"))


def open_requests(book):
    return [(e.what, e.version) for e in list_unanswered(book.entries(NAME))]


def test_what_passes_the_gate_asks_for_a_refit_and_waits_for_it(asked):
    request = find_refit_request(asked.entries(NAME), 2)
    assert request.evidence["reason"] == "better"
    assert step(asked, DIRECT, 2, day(20), gate=never) == request
    assert open_requests(asked) == [("refit_asked", 2)]
    assert find_champion(asked.entries(NAME)).version == 1


def test_without_a_refit_in_the_yaml_none_is_asked_for(book):
    record_registered(book, 1)
    assert step(book, rollout_use_case(), 1, gate=says("pass")).what == "promoted"


def test_the_refit_goes_on_with_the_evidence_of_both(asked):
    registered = record_refit_of_two(asked)
    assert find_decision(asked.entries(NAME), 2) == registered
    assert step(asked, DIRECT, 2, day(9), gate=never) == registered, "its place is taken"
    assert [e.version for e in list_undecided_candidates(asked.entries(NAME))] == [3]
    assert open_requests(asked) == [("candidate_registered", 3)]
    entry = step(asked, DIRECT, 3, gate=never)
    assert (entry.what, entry.version, entry.evidence["champion_version"]) == ("promoted", 3, 1)
    assert [each["gate"] for each in entry.evidence["gates"]] == ["metric", "refit: agreement"]
    assert entry.evidence["bake_until"] == day(29).isoformat(), "the bake window watches it"
    assert open_requests(asked) == []


def test_a_refit_passes_the_rollout_in_place_of_the_judged_version(asked):
    record_refit_of_two(asked)
    steps = [step(asked, CANARY, 3, gate=never)]
    steps += [step(asked, CANARY, 3, day(8 * n), look=says("pass")) for n in (1, 2)]
    assert [(e.what, e.version) for e in steps] == [
        ("rollout_started", 3), ("rollout_grown", 3), ("promoted", 3),
    ]  # fmt: skip


def test_the_judged_version_is_over_when_its_refit_is_refused(asked):
    record_refit_of_two(asked)
    step(asked, CANARY, 3, gate=never)
    assert step(asked, CANARY, 3, day(8), look=says("fail")).what == "refused"
    assert list_undecided_candidates(asked.entries(NAME)) == []
    assert find_champion(asked.entries(NAME)).version == 1


def test_without_a_refit_the_judged_version_goes_on_itself(asked):
    drop_refit(asked)
    assert open_requests(asked) == [("refit_asked", 2)], "a killed run is started again"
    entry = step(asked, DIRECT, 2, gate=never)
    assert (entry.what, entry.version, entry.evidence["reason"]) == ("promoted", 2, "better")
    assert open_requests(asked) == []


@pytest.mark.parametrize("refit", [record_refit_of_two, drop_refit])
def test_evidence_against_a_former_champion_lets_no_refit_in(asked, refit):
    refit(asked)
    record(asked, "promoted", "hand:7", day(3), 7)
    version = 3 if refit is record_refit_of_two else 2
    entry = step(asked, DIRECT, version, day(4), gate=says("wait", "too few rows"))
    assert (entry.what, entry.evidence["reason"]) == ("deferred", "too few rows")
    assert step(asked, DIRECT, version, day(5), gate=says("pass")).what == "promoted"


def test_a_refit_waits_for_another_rollout(asked):
    record_refit_of_two(asked)
    record_registered(asked, 4, day(1))
    step(asked, rollout_use_case(), 4, gate=says("pass"))
    assert step(asked, CANARY, 3, day(2), gate=never).what == "deferred"


def test_a_person_approves_before_the_refit(book):
    record(book, "promoted", "decision:1", day(0), 1)
    record_registered(book, 2, day(1))
    assert step(book, MANUAL, 2, gate=says("pass")).what == "approval_asked"
    record(book, "approved", "approval:2", day(2), 2, reason="-")
    assert step(book, MANUAL, 2, gate=never).what == "refit_asked"
    record_refit_of_two(book)
    assert step(book, MANUAL, 3, gate=never).what == "promoted"


ROWS = np.linspace(0, 1, 50)
NOISE = np.sin(997 * ROWS)
CLASSES = np.stack([ROWS, 1 - ROWS, 0.5 * ROWS], axis=1)


@pytest.mark.parametrize(
    ("new", "old", "low", "high"),
    [
        (ROWS, ROWS, 1, 1),
        (3 * ROWS + 9, ROWS, 1, 1),  # another level and scale
        (ROWS + 0.1 * NOISE, ROWS, 0.9, 0.999),
        (NOISE, ROWS, -0.3, 0.3),
        (-ROWS, ROWS, -1, -1),
        (CLASSES, CLASSES, 1, 1),
        (1 - CLASSES, CLASSES, -1, -1),
        (CLASSES[:, [1, 0, 2]], CLASSES, -1, 0.5),
        (ROWS * 0, ROWS, 0, 0),
        (ROWS, ROWS * 0, 0, 0),
        (ROWS * 0 + 4, ROWS * 0, 1, 1),
        (np.where(ROWS > 0.5, np.nan, ROWS), ROWS, 0, 0),
        (np.where(ROWS > 0.5, np.inf, ROWS), ROWS, 0, 0),
    ],
)
def test_measure_agreement(new, old, low, high):
    assert low - 1e-9 <= measure_agreement(new, old) <= high + 1e-9


@pytest.mark.parametrize(("share", "verdict"), [(0.0, "pass"), (0.1, "pass"), (2.0, "fail")])
def test_a_refit_unlike_the_judged_version_fails(share, verdict):
    check = check_agreement(2, ROWS + share * NOISE, ROWS)
    assert check.verdict == verdict
    assert "version 2" in check.asked
