"""The demo's own decisions; the demo itself is in tests/e2e."""

from datetime import UTC, date, datetime
from itertools import pairwise

import pytest

from configs.errors import BadConfig
from configs.schema.loading import load_use_case
from configs.settings import settings
from flows.cli.demo.command import is_loop_closed
from flows.cli.demo.state import MARK, list_weeks, require_empty_state, reset_state
from tasks.ledger.log import Entry, open_ledger
from tasks.storage.lake import open_lake
from tests.support.day_rows import days
from tests.support.ledger_entries import START

FLIGHTS = load_use_case("flights")


def test_the_year_goes_on_in_whole_weeks():
    steps = list(list_weeks(FLIGHTS.demo, date(2014, 1, 1)))
    assert len(steps) == 39
    assert steps[0].as_of == datetime(2013, 4, 8, tzinfo=UTC)
    assert all(one.end == other.start for one, other in pairwise(steps))
    assert steps[-1].end <= date(2014, 1, 1)


def test_a_folder_that_no_demo_made_is_not_erased(home):
    precious = home / "precious"
    precious.touch()
    with pytest.raises(BadConfig, match="was not made by a demo"):
        reset_state(home)
    assert precious.exists()


def test_a_demo_erases_what_the_last_one_left(home):
    state = home / "demo"
    reset_state(state)
    (state / "ledger.db").touch()
    reset_state(state)
    assert [path.name for path in state.iterdir()] == [MARK]


def test_a_demo_does_not_play_into_what_is_there(home, monkeypatch):
    require_empty_state(FLIGHTS)
    lake = str(home / "elsewhere")
    monkeypatch.setenv("MAINSPRING_LAKE", lake)
    settings.cache_clear()
    open_lake("flights").append_once("raw/weather", {"one": days(0, 1)})
    open_ledger().record(Entry("flights", "promoted", "decision:1", START, "test", 1))
    with pytest.raises(BadConfig, match="MAINSPRING_LAKE, MAINSPRING_LEDGER_URL: flights already"):
        require_empty_state(FLIGHTS)


def test_the_loop_is_closed_when_an_alert_led_to_a_decision(home):
    def record(what, key, version=None):
        open_ledger().record(Entry("flights", what, key, START, "test", version))

    record("candidate_registered", "candidate:train:2013-04-01", 1)
    record("promoted", "decision:1", 1)
    assert not is_loop_closed(FLIGHTS)
    record("alert_raised", "alert:x")
    record("candidate_registered", "candidate:alert:x", 2)
    assert not is_loop_closed(FLIGHTS)
    record("refused", "decision:2", 2)
    assert is_loop_closed(FLIGHTS)
