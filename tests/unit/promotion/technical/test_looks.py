"""The technical gate's looks: limits by ratio and floor, joined periods, `bad` of `of`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.schema.serving import TechnicalGate
from tasks.promotion.technical.looks import group_looks, judge_alone, judge_beside
from tasks.serving.version_tally import TallyPeriod, VersionCounts, merge_periods

GATE = TechnicalGate(min_requests=100, bad=2, of=3)
COUNTS = st.builds(
    lambda requests, errors, ms: make_counts(requests, min(errors, requests), ms),
    st.integers(0, 300), st.integers(0, 300), st.floats(0.01, 500),
)  # fmt: skip
PERIODS = st.lists(st.fixed_dictionaries({1: COUNTS, 2: COUNTS}), max_size=12)


def make_counts(requests: int, errors: int = 0, ms: float = 1.0) -> VersionCounts:
    made = VersionCounts()
    for number in range(requests):
        made.count(ms / 1000, failed=number < errors)
    return made


def periods(*versions: dict[int, VersionCounts]) -> list[TallyPeriod]:
    return [TallyPeriod(60.0 * place, each) for place, each in enumerate(versions, 1)]


def judge_outcomes(*versions: dict[int, VersionCounts]) -> dict[str, str]:
    verdicts = judge_beside(periods(*versions), 2, 1, GATE)
    return {quantity: verdict.outcome for quantity, verdict in verdicts.items()}


GOOD = {1: make_counts(200), 2: make_counts(200)}
FAILING = {1: make_counts(200), 2: make_counts(200, errors=20)}
SLOW = {1: make_counts(200), 2: make_counts(200, ms=100)}


@pytest.mark.parametrize(
    ("story", "errors", "latency"),
    [
        ([GOOD], "good", "good"),
        ([FAILING], "unclear", "good"),
        ([FAILING, FAILING], "bad", "good"),
        ([FAILING, GOOD, FAILING], "bad", "good"),
        ([FAILING, FAILING, GOOD], "unclear", "good"),
        ([FAILING, GOOD, GOOD], "good", "good"),
        ([SLOW, SLOW], "good", "bad"),
        ([FAILING, FAILING, GOOD, GOOD], "good", "good"),
    ],
)
def test_outcome_of_bad_looks(story, errors, latency):
    assert judge_outcomes(*story) == {"errors": errors, "latency": latency}


def test_what_both_versions_suffer_from_is_not_held_against_one():
    both_fail = {1: make_counts(200, errors=20), 2: make_counts(200, errors=30)}
    both_slow = {1: make_counts(200, ms=100), 2: make_counts(200, ms=150)}
    assert judge_outcomes(both_fail, both_fail)["errors"] == "good"
    assert judge_outcomes(both_slow, both_slow)["latency"] == "good"


def test_a_version_alone_pages_on_errors_and_on_its_own_limit_of_latency():
    failing, slow = {1: make_counts(200, errors=20)}, {1: make_counts(200, ms=900)}
    assert judge_alone(periods(failing, failing), 1, GATE)["errors"].outcome == "bad"
    assert judge_alone(periods(slow, slow), 1, GATE)["latency"].outcome == "good"
    limited = GATE.model_copy(update={"page_ms": 500})
    assert judge_alone(periods(slow, slow), 1, limited)["latency"].outcome == "bad"


@given(PERIODS)
def test_a_look_has_the_minimum_of_requests_and_loses_none(story):
    looks = group_looks(periods(*story), (1, 2), GATE)
    assert all(look[version].requests >= GATE.min_requests for look in looks for version in look)
    for version in (1, 2):
        total = sum(each[version].requests for each in story)
        assert sum(look[version].requests for look in looks) <= total


@given(PERIODS)
def test_a_version_that_is_as_good_as_the_other_is_never_bad(story):
    twins = [{1: each[1], 2: each[1]} for each in story]
    verdicts = judge_beside(periods(*twins), 2, 1, GATE)
    assert {each.outcome for each in verdicts.values()} <= {"good"}


@given(PERIODS)
def test_bad_needs_enough_bad_looks_and_the_last_one(story):
    for verdict in judge_beside(periods(*story), 2, 1, GATE).values():
        bad = [look.is_bad for look in verdict.looks]
        assert (verdict.outcome == "bad") == (bad[-1] and sum(bad) >= GATE.bad)
        assert len(verdict.looks) <= GATE.of


@given(PERIODS, st.integers(1, 4))
def test_processes_that_share_the_load_are_judged_as_one(story, processes):
    whole = periods(*story)
    shared = [TallyPeriod(each.end, each.versions) for each in whole for _ in range(processes)]
    for merged, alone in zip(merge_periods(shared), whole, strict=True):
        for version, made in merged.versions.items():
            assert made.requests == processes * alone.versions[version].requests
            assert made.p99_ms == alone.versions[version].p99_ms


@pytest.mark.parametrize("ms", [0.002, 0.5, 3.0, 47.0, 2000.0])
def test_p99_is_known_to_five_percent(ms):
    assert make_counts(300, ms=ms).p99_ms == pytest.approx(ms, rel=0.051)
    mostly_fast = make_counts(300, ms=0.001)
    mostly_fast.add(make_counts(10, ms=ms))
    assert mostly_fast.p99_ms == pytest.approx(ms, rel=0.051)
