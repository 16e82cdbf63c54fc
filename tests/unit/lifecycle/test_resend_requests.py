from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tasks.ledger.log import Entry, EntryKind
from tasks.lifecycle.resend_requests import answering_flow, find_overdue
from tasks.orchestration.flow_runs import FlowRun
from tests.support.ledger_entries import RAISED, flights_entry

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ended_run(ended: timedelta | None, **parameters: object) -> FlowRun:
    return FlowRun("run", parameters, None if ended is None else NOW - ended)


@pytest.mark.parametrize(
    ("runs", "is_overdue"),
    [
        ([], True),
        ([ended_run(None, alert="alert:a")], False),
        ([ended_run(None, alert="alert:other")], True),
        ([ended_run(timedelta(minutes=4), alert="alert:a")], False),
        ([ended_run(timedelta(minutes=5), alert="alert:a")], True),
        ([ended_run(timedelta(minutes=6), alert="alert:a")] * 2, False),
        ([ended_run(timedelta(minutes=10), alert="alert:a")] * 2, True),
        ([ended_run(timedelta(hours=23), alert="alert:a")] * 50, False),
        ([ended_run(timedelta(hours=24), alert="alert:a")] * 50, True),
    ],
)
def test_find_overdue_waits_longer_after_each_failure(
    runs: list[FlowRun], is_overdue: bool
) -> None:
    waiting = [flights_entry("alert_raised", "alert:a")]
    assert find_overdue(waiting, runs, NOW) == (waiting if is_overdue else [])


def test_a_candidate_is_known_by_its_version() -> None:
    waiting = [flights_entry("candidate_registered", "candidate:a", version=3)]
    assert find_overdue(waiting, [ended_run(None, version=3)], NOW) == []
    assert find_overdue(waiting, [ended_run(None, version=4)], NOW) == waiting


def test_find_overdue_tells_steps_of_a_version_by_their_time() -> None:
    waiting = [flights_entry("step_asked", "step:3:x", RAISED, 3)]
    then, before = RAISED.isoformat(), (RAISED - timedelta(days=7)).isoformat()
    assert find_overdue(waiting, [ended_run(None, version=3, as_of=then)], NOW) == []
    assert find_overdue(waiting, [ended_run(None, version=3, as_of=before)], NOW) == waiting
    assert find_overdue(waiting, [ended_run(None, version=3)], NOW) == waiting


def test_a_rollback_is_known_by_its_promotion() -> None:
    asked = Entry("flights", "rollback_asked", "undo:2", RAISED, "test", 3, {"promotion": "hand:3"})
    assert find_overdue([asked], [ended_run(None, promotion="hand:3")], NOW) == []
    assert find_overdue([asked], [ended_run(None, promotion="decision:4")], NOW) == [asked]


def test_find_overdue_counts_a_suspended_run_for_its_candidate() -> None:
    waits = FlowRun("run", {"version": 3}, None, suspended=True)
    candidate = flights_entry("candidate_registered", "candidate:a", version=3)
    answer = flights_entry("approved", "approval:3", version=3)
    assert find_overdue([candidate, answer], [waits], NOW) == [answer]


@pytest.mark.parametrize(
    ("what", "flow"),
    [
        ("alert_raised", "retrain"), ("candidate_registered", "promote"),
        ("step_asked", "promote"), ("approved", "promote"), ("rejected", "promote"),
        ("rollback_asked", "rollback"),
    ],
)  # fmt: skip
def test_every_ask_has_a_flow_that_answers_it(what: EntryKind, flow: str) -> None:
    assert answering_flow(flights_entry(what, "key")) == flow
