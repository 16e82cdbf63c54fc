"""Rows that are quarantined or refused beyond the usual open an episode; others do not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from configs.schema.loading import load_use_case
from tasks.ingestion.landing import FileVerdict, LandedFile, record_files
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.ledger.log import Entry
from tasks.ledger.state import fold_ledger
from tasks.monitoring.lost_rows import find_lost_row_changes
from tasks.storage.file_records import read_file_records

FLIGHTS = load_use_case("flights")
NOW = datetime(2024, 3, 31, tzinfo=UTC)
DAY = timedelta(days=1)


def record_verdict(name: str, days: int, status: str = "accepted", **counts: Any) -> None:
    """Record the verdict on a file, some days before now."""
    file = LandedFile("parcels", name, f"parcels/{name}.csv", 1, 0.0)
    rows = counts.pop("rows", sum(v for k, v in counts.items() if k != "cause"))
    record_files(FLIGHTS, [FileVerdict(file, status, rows, **counts)], NOW - days * DAY)  # type: ignore[arg-type]


def changes(*entries: Entry, at: datetime = NOW) -> list[Entry]:
    numbered = [replace(entry, seq=number + 1) for number, entry in enumerate(entries)]
    return find_lost_row_changes(FLIGHTS, fold_ledger(numbered), read_file_records(FLIGHTS), at)


@pytest.mark.parametrize(
    ("lost", "opens"),
    [
        ({"accepted": 996, "quarantined": 4}, False),  # fewer than five
        ({"accepted": 990, "quarantined": 10}, False),  # 1%
        ({"accepted": 980, "quarantined": 20}, True),
        ({"accepted": 1, "quarantined": 1000}, True),
        ({"accepted": 0, "quarantined": 2}, True),  # all of a file
        ({"accepted": 0, "quarantined": 2, "repeated": 7}, True),
        ({"accepted": 0, "repeated": 1000}, False),
        ({"status": "refused", "rows": 800, "cause": "suite"}, True),
        ({"status": "refused", "rows": 0, "cause": "content"}, True),
        ({"status": "refused", "rows": 0, "cause": "suite"}, False),  # empty: no row is lost
        ({"status": "refused", "rows": 800, "cause": "time"}, False),  # it waits
        ({"status": "duplicate", "rows": 800, "repeated": 800}, False),
    ],
)
def test_an_episode_opens_beyond_the_limit(home: Any, lost: dict[str, Any], opens: bool) -> None:
    record_verdict("before", 9, accepted=1000)
    record_verdict("now", 0, **lost)
    opened = changes()
    assert [entry.what for entry in opened] == ["episode_opened"] * opens
    if opens:
        shown = read_evidence(opened[0], EpisodeOpened)
        assert (shown.cause, shown.severity) == ("lost:parcels", "page")
        assert "mainspring quarantine flights" in shown.message


@pytest.mark.parametrize(("usual", "now", "opens"), [(4, 7, False), (4, 9, True), (30, 11, True)])
def test_twice_the_usual_share_is_allowed_up_to_a_tenth(
    home: Any, usual: int, now: int, opens: bool
) -> None:
    for days in range(1, 30):
        record_verdict(f"before{days}", days, accepted=100 - usual, quarantined=usual)
    record_verdict("now", 0, accepted=100 - now, quarantined=now)
    assert bool(changes()) == opens


def test_an_episode_closes_with_good_files_and_with_releases(home: Any) -> None:
    record_verdict("bad", 0, accepted=900, quarantined=100)
    (opened,) = changes()
    assert changes(opened, at=NOW + timedelta(hours=1)) == []
    record_verdict("bad", 0, "released", rows=0, accepted=100)
    (closed,) = changes(opened, at=NOW + timedelta(hours=1))
    assert (closed.what, closed.evidence["cause"]) == ("episode_closed", "lost:parcels")
    record_verdict("good", -2, accepted=1000)
    assert changes(opened, at=NOW + 2 * DAY)[0].what == "episode_closed"


def test_a_refused_file_that_is_taken_later_is_not_lost(home: Any) -> None:
    record_verdict("file", 0, "refused", rows=50, cause="suite")
    (opened,) = changes()
    record_verdict("file", 0, accepted=50)
    assert changes(opened)[0].what == "episode_closed"


def test_runs_of_a_day_are_judged_together(home: Any) -> None:
    for hour in range(6):
        file = LandedFile("parcels", str(hour), f"parcels/{hour}.csv", 1, 0.0)
        verdict = FileVerdict(file, "accepted", 20, 19, 1)
        record_files(FLIGHTS, [verdict], NOW - timedelta(hours=hour))
    assert len(changes()) == 1
    assert read_file_records(FLIGHTS).select(pl.col("quarantined").sum()).item() == 6
