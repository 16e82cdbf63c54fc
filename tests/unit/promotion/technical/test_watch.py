"""The technical gate's ledger entries: a stage ends, a promotion is undone, each once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from configs.schema.serving import TechnicalGate
from infra import fault_injection
from tasks.ledger.evidence import EpisodeOpened, Refused, RolledBack, read_evidence
from tasks.ledger.log import Ledger
from tasks.ledger.projections import find_champion
from tasks.monitoring.episodes import find_episode_changes
from tasks.monitoring.retrain_alerts import find_due_alert
from tasks.promotion.technical import watch
from tasks.promotion.technical.watch import record_technical_changes
from tasks.rollout.state import find_rollout, plan_rollout
from tasks.serving.version_tally import TallyPeriod, VersionCounts
from tests.support.candidates import (
    NAME,
    day,
    happened,
    record,
    record_registered,
    rollout_use_case,
)

GATE = TechnicalGate(min_requests=10, bad=2, of=2)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def book(tmp_path, monkeypatch):
    """Version 1 is champion, version 2 in a canary."""
    monkeypatch.setattr(watch, "sync_champion_alias", lambda *_: None)
    book = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    record_registered(book, 1)
    record(book, "promoted", "decision:1", day(1), 1)
    record_registered(book, 2, day(2))
    plan = plan_rollout(rollout_use_case(), 1)
    assert plan is not None
    record(book, "rollout_started", "rollout:2", day(3), 2, **plan.to_json())
    return book


def tally(requests=50, errors=0, ms=1.0):
    made = VersionCounts()
    for number in range(requests):
        made.count(ms / 1000, failed=number < errors)
    return made


def looks(start, *versions):
    return [
        TallyPeriod((start + place * MINUTE).timestamp(), each)
        for place, each in enumerate(versions, 1)
    ]


def judge(book, periods, at):
    return record_technical_changes(book, NAME, GATE, periods, at)


FAILS, SLOW = ({1: tally(), 2: tally(errors=9)}, {1: tally(), 2: tally(ms=90)})
GOOD = {1: tally(), 2: tally()}


@pytest.mark.parametrize(("bad", "quantity"), [(FAILS, "errors"), (SLOW, "latency")])
def test_a_bad_challenger_ends_its_rollout_once_with_numbers(book, bad, quantity):
    periods, at = looks(day(4), bad, bad), day(4) + 2 * MINUTE
    entries = judge(book, periods, at)
    assert happened(entries) == ["episode_opened v2", "refused v2"]
    refused = read_evidence(entries[-1], Refused)
    assert (refused.stage, [c.gate for c in refused.gates]) == (0, [quantity])
    assert "version 1" in refused.reason
    assert find_rollout(book.entries(NAME)) is None
    again = judge(book, periods, at + MINUTE)
    assert happened(again) == ["episode_closed v2"]
    assert judge(book, periods, at + 2 * MINUTE) == []


def test_good_or_too_few_requests_change_nothing(book):
    few = {1: tally(4), 2: tally(4, errors=4)}
    for story in ([GOOD, GOOD], [few, few], [FAILS], [FAILS, GOOD]):
        assert judge(book, looks(day(4), *story), day(5)) == []


def test_looks_before_the_stage_do_not_count(book):
    assert judge(book, looks(day(2), FAILS, FAILS), day(5)) == []


@pytest.fixture
def baking(book):
    """Version 2 is champion in its bake window."""
    record(book, "promoted", "decision:2", day(5), 2, bake_until=day(20).isoformat())
    return book


def test_a_bad_champion_is_rolled_back_once_with_numbers(baking):
    periods, at = looks(day(6), FAILS, FAILS), day(6) + 2 * MINUTE
    entries = judge(baking, periods, at)
    assert happened(entries) == ["episode_opened v2", "rollback_asked v2", "rolled_back v1"]
    undone = read_evidence(entries[-1], RolledBack)
    assert (undone.loser, undone.by_hand, undone.gates[0].gate) == (2, False, "errors")
    champion = find_champion(baking.entries(NAME))
    assert champion is not None
    assert champion.version == 1
    assert happened(judge(baking, periods, at + MINUTE)) == ["episode_closed v2"]
    assert judge(baking, periods, at + 2 * MINUTE) == []


@pytest.mark.parametrize(
    "place", ["record a technical episode", "ask for the rollback", "record the rollback"]
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_watch_leaves_what_the_next_one_finishes(baking, monkeypatch, place, when):
    class Killed(BaseException):
        pass

    def kill(point):
        if point == f"{when} {place}":
            raise Killed

    periods, at = looks(day(6), FAILS, FAILS), day(6) + 2 * MINUTE
    with monkeypatch.context() as patch:
        patch.setattr(fault_injection, "_pass_point", kill)
        with pytest.raises(Killed):
            judge(baking, periods, at)
    judge(baking, periods, at)
    story = happened(baking.entries(NAME))
    for what in ("episode_opened v2", "rollback_asked v2", "rolled_back v1"):
        assert story.count(what) == 1


def test_a_champion_outside_its_bake_window_pages_but_stays(book):
    record(book, "promoted", "decision:2", day(5), 2)
    entries = judge(book, looks(day(6), FAILS, FAILS), day(7))
    assert happened(entries) == ["episode_opened v2"]
    opened = read_evidence(entries[0], EpisodeOpened)
    assert (opened.cause, opened.severity) == ("technical:errors", "page")
    closed = judge(book, looks(day(6), FAILS, FAILS, GOOD, GOOD), day(7) + MINUTE)
    assert happened(closed) == ["episode_closed v2"]


def test_a_champion_that_both_versions_fail_with_pages_but_stays(baking):
    both = {1: tally(errors=9), 2: tally(errors=9)}
    entries = judge(baking, looks(day(6), both, both), day(7))
    assert happened(entries) == ["episode_opened v2"]
    assert read_evidence(entries[0], EpisodeOpened).cause == "technical:errors"


def test_a_champion_whose_predecessor_does_not_open_pages(baking):
    alone = {2: tally(errors=9)}
    entries = judge(baking, looks(day(6), alone, alone), day(7))
    assert happened(entries) == ["episode_opened v2"]


def test_the_monitor_leaves_technical_episodes_alone(baking):
    import polars as pl

    from tasks.ledger.state import read_ledger_state

    case = rollout_use_case()
    record_technical_changes(baking, NAME, GATE, looks(day(6), FAILS, FAILS), day(6) + 2 * MINUTE)
    ledger = read_ledger_state(baking, NAME)
    rows = pl.DataFrame(
        schema={"kind": pl.String, "subject": pl.String, "verdict": pl.String,
                "model_version": pl.Int64, "as_of": pl.Datetime("us", "UTC")}
    )  # fmt: skip
    assert find_episode_changes(case, ledger, rows, day(7)) == []
    assert find_due_alert(ledger, day(7), timedelta(0)) is None
