"""The dead-man's switch over a month: silent while all comes, and heard when something does not."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from configs.schema.loading import load_use_case
from configs.schema.monitoring import Deadlines
from configs.schema.use_case import UseCase
from tasks.features import retrieval
from tasks.ledger.log import Entry
from tasks.ledger.projections import list_open_episodes
from tasks.ledger.state import fold_ledger
from tasks.monitoring.freshness import Arrivals, find_freshness_changes, find_latest_arrivals
from tasks.monitoring.measurements import Measurement, build_measurement_rows, save_measurements
from tasks.storage.lake import open_lake
from tests.support import lake_rows
from tests.support.state import state

START = datetime(2013, 1, 7, tzinfo=UTC)  # a Monday
DAY, PERIOD = timedelta(days=1), timedelta(minutes=15)
END = START + 28 * DAY
FOUR = ("landed", "labelled", "scored", "monitored")
DEADLINES = Deadlines.model_validate(
    {"landed": "6h", "labelled": "1d", "scored": "12h", "monitored": "8d"}
)


def flights_with_deadlines(deadlines: Deadlines = DEADLINES) -> UseCase:
    return load_use_case("flights").model_copy(update={"deadlines": deadlines})


def promotion(at: datetime = START) -> Entry:
    return Entry("flights", "promoted", "decision:1", at, "test", 1)


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UseCase]:
    """The lake of 28 real days: raw tables, all predictions of them, a window monitored a week."""
    with state(tmp_path_factory.mktemp("state")):
        case = flights_with_deadlines()
        lake_rows.land_rows(case, START - 20 * DAY, END)
        predict(case, START, END)
        for week in range(4):
            monitor(case, START + 7 * week * DAY)
        yield case


def predict(case: UseCase, start: datetime, end: datetime) -> None:
    """Leave the prediction times that a score run leaves."""
    rows = retrieval.build_spine(case, start, end, end).select(*case.spine.key, case.spine.time)
    open_lake(case.name).replace_window("predictions", rows, case.spine.time, (start, end))


def monitor(case: UseCase, at: datetime) -> None:
    number = Measurement("drift", "carrier", at - 7 * DAY, at, 0.0, verdict="ok")
    save_measurements(open_lake(case.name), build_measurement_rows([number], at, 1), at)


def watch(case: UseCase, entries: list[Entry], found: Arrivals, at: datetime) -> list[str]:
    """One watch run on a ledger that is a list: what it opened and closed."""
    new = find_freshness_changes(case, fold_ledger(entries), found, at)
    entries += [replace(entry, seq=len(entries) + 1 + n) for n, entry in enumerate(new)]
    return [f"{entry.what}:{entry.evidence['cause']}" for entry in new]


def test_freshness_is_quiet_for_a_month_and_then_alerts(month: UseCase) -> None:
    """The lake as it is, watched once a day: first the month, then days that nothing comes from."""
    entries = [promotion()]
    for day in range(29):
        at = START + day * DAY
        assert (
            watch(month, entries, find_latest_arrivals(month, fold_ledger(entries), at), at) == []
        ), at
    opened = []
    for day in range(29, 34):
        at = START + day * DAY
        found = find_latest_arrivals(month, fold_ledger(entries), at)
        opened += [(day, said.rpartition(":")[2]) for said in watch(month, entries, found, at)]
    assert opened == [(29, "landed"), (29, "labelled"), (29, "scored"), (30, "monitored")]


def test_what_comes_again_closes_its_silence_only(month: UseCase) -> None:
    entries, at = [promotion()], END + 9 * DAY
    assert (
        len(watch(month, entries, find_latest_arrivals(month, fold_ledger(entries), at), at)) == 4
    )
    monitor(month, at)
    found = find_latest_arrivals(month, fold_ledger(entries), at)
    assert watch(month, entries, found, at) == ["episode_closed:silence:monitored"]
    assert len(list_open_episodes(entries)) == 3


def times(case: UseCase) -> dict[str, list[datetime]]:
    """When each was heard of in the month, if ingest runs at :10, score at :20, monitor at 4:30."""
    raw = [lake_rows.read_known_rows(case, name, START - DAY, END)[table.known_time]
           for name, table in case.tables.items()]  # fmt: skip
    known = retrieval.build_labels(case, START - 2 * DAY, END, END)[case.label.known_time]
    at = retrieval.build_spine(case, START - DAY, END, END)[case.spine.time]
    mondays = [START + (week - 1) * 7 * DAY + timedelta(hours=4.5) for week in range(5)]
    found = {"landed": pl.concat(raw), "labelled": known, "scored": at}
    return {name: sorted(set(series)) for name, series in found.items()} | {"monitored": mondays}


def newest(moments: list[datetime], at: datetime) -> datetime:
    return moments[bisect_right(moments, at) - 1]


def heard(of: dict[str, list[datetime]], at: datetime) -> Arrivals:
    """The signs at a moment: an hourly run has seen what there was at its own time."""
    ingested, scored = _last_run(at, 10), _last_run(at, 20)
    seen = {"landed": ingested, "labelled": ingested, "scored": scored, "monitored": at}
    return {name: newest(of[name], moment) for name, moment in seen.items()}


def _last_run(at: datetime, minute: int) -> datetime:
    run = at.replace(minute=minute)
    return run if run <= at else run - timedelta(hours=1)


def test_freshness_of_hourly_flows_watched_often_is_quiet(month: UseCase) -> None:
    of, entries = times(month), [promotion()]
    for step in range(28 * 96):
        at = START + step * PERIOD
        assert watch(month, entries, heard(of, at), at) == [], at


@pytest.mark.parametrize("what", FOUR)
def test_freshness_episode_opens_in_a_period_and_closes_later(month: UseCase, what: str) -> None:
    of, entries = times(month), [promotion()]
    lost, back = START + 10 * DAY, START + 20 * DAY
    of[what] = [at for at in of[what] if at < lost or at > back]
    said = {}
    for step in range(26 * 96):
        at = START + step * PERIOD
        for change in watch(month, entries, heard(of, at), at):
            said[change] = at
    deadline = month.deadlines.spans[what]
    opened, closed = f"episode_opened:silence:{what}", f"episode_closed:silence:{what}"
    assert list(said) == [opened, closed]
    assert timedelta(0) < said[opened] - (newest(of[what], lost) + deadline) <= PERIOD
    came = next(at for at in of[what] if at > back)
    assert timedelta(0) <= said[closed] - came <= timedelta(hours=1) + PERIOD


@settings_of_hypothesis(max_examples=30)
@given(gaps=st.lists(st.integers(1, 40), min_size=1, max_size=12), hours=st.integers(1, 30))
def test_freshness_episode_is_open_while_a_sign_is_overdue(gaps: list[int], hours: int) -> None:
    case, entries = flights_with_deadlines(Deadlines(landed=timedelta(hours=hours))), list[Entry]()
    moments = [START + timedelta(hours=sum(gaps[:n])) for n in range(len(gaps) + 1)]
    for hour in range(sum(gaps) + 40):
        at = START + timedelta(hours=hour)
        last = newest(moments, at)
        watch(case, entries, {"landed": last}, at)
        is_open = bool(list_open_episodes(entries))
        assert is_open == (at - last > timedelta(hours=hours))


def test_freshness_starts_with_the_first_promotion(
    home: Path,
) -> None:
    case = flights_with_deadlines()
    assert find_latest_arrivals(case, fold_ledger([]), START) == {}
    assert find_latest_arrivals(case, fold_ledger([promotion(START + DAY)]), START) == {}
    found = find_latest_arrivals(case, fold_ledger([promotion()]), START + DAY)
    assert found == {"scored": START, "monitored": START}


def test_what_has_no_deadline_is_not_watched_and_ends_if_it_was(home: Path) -> None:
    assert (
        find_latest_arrivals(flights_with_deadlines(Deadlines()), fold_ledger([promotion()]), END)
        == {}
    )
    entries = [promotion()]
    watch(flights_with_deadlines(), entries, {"scored": START}, END)
    said = watch(flights_with_deadlines(Deadlines()), entries, {}, END + DAY)
    assert said == ["episode_closed:silence:scored"]
    assert "no deadline is configured" in entries[-1].evidence["reason"]


def test_two_silences_of_one_day_are_two_episodes() -> None:
    case, entries = flights_with_deadlines(), list[Entry]()
    for hour, sign in ((7, 0), (8, 8), (15, 8)):
        at = START + timedelta(hours=hour)
        watch(case, entries, {"landed": START + timedelta(hours=sign)}, at)
    assert [e.what for e in entries] == [
        "episode_opened", "episode_closed", "episode_opened",
    ]  # fmt: skip
    said = entries[-1].evidence
    assert said["message"] == "no new row has landed since 2013-01-07 08:00 UTC, for longer than 6h"
    assert said["severity"] == "page"


def test_a_watch_of_the_past_knows_only_what_was_there_then(month: UseCase) -> None:
    at = START + 5 * DAY + timedelta(hours=12)
    found = find_latest_arrivals(month, fold_ledger([promotion()]), at)
    assert all(at - DEADLINES.spans[what] < sign <= at for what, sign in found.items())
    assert found["monitored"] == START
