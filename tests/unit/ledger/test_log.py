"""The ledger: one order, one entry a key, and what is true now."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from threading import Barrier

import pytest
from sqlalchemy import create_engine, inspect

from configs.errors import Conflict, Damaged
from configs.urls import with_driver
from tasks.ledger.log import Entry, Ledger
from tests.support.ledger_entries import START, entry


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path) -> str:
    """The address of an empty database, as the settings hold it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return with_driver(request.getfixturevalue("postgres").database("ledger"), "psycopg")


@pytest.fixture
def book(url) -> Ledger:
    return Ledger(url)


def test_entries_come_back_as_they_were_in_order(book):
    first = Entry("m", "promoted", "decision:1", START, "gate", 1, {"low": 0.25, "names": ["a"]})
    written, new = book.record(first)
    assert new
    assert (written.seq, written.at, written.evidence) == (1, START, first.evidence)
    book.record(entry("refused", "decision:2", 2))
    book.record(entry("promoted", "decision:1", 1, model="other"))
    assert [(e.model, e.seq) for e in book.entries()] == [("m", 1), ("m", 2), ("other", 1)]
    assert book.entries("m")[0] == written
    assert written.recorded == book.entries("m")[0].recorded


def test_the_same_key_is_found_and_not_written_again(book):
    first, new = book.record(entry("alert_raised", "alert:a"))
    again, newer = book.record(entry("alert_raised", "alert:a", day=3))
    assert new
    assert not newer
    assert again == first


def test_of_two_promotions_on_the_same_evidence_one_wins(book):
    def promote(version: int) -> bool:
        try:
            book.record(entry("promoted", f"decision:{version}", version), expected_seq=0)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(promote, range(1, 9))) == 1
    assert len(book.entries("m")) == 1


def test_many_writers_leave_one_order_without_gaps(book):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: book.record(entry("alert_raised", f"alert:{i}")), range(40)))
    assert [e.seq for e in book.entries("m")] == list(range(1, 41))


def test_writers_that_begin_at_once_make_the_table_and_one_order(url):
    """Eight with connections of their own on an empty database: none is lost, no place is twice."""
    together = Barrier(8)

    def write(writer: int) -> None:
        together.wait(60)
        for number in range(5):
            Ledger(url).record(entry("alert_raised", f"alert:{writer}:{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    entries = Ledger(url).entries("m")
    assert [e.seq for e in entries] == list(range(1, 41))
    assert {e.key for e in entries} == {f"alert:{w}:{i}" for w in range(8) for i in range(5)}


def test_a_database_is_prepared_before_anything_is_written(url):
    for _ in range(2):
        Ledger(url).prepare()
    with create_engine(url).connect() as connection:
        assert inspect(connection).has_table("ledger")


def test_what_sqlite_would_let_pass_comes_back_from_both(book):
    """Long keys, times of other zones, what could not be measured, and every kind of JSON."""
    there = timezone(timedelta(hours=5, minutes=30))
    evidence = {"roc_auc": float("nan"), "low": float("-inf"), "in": [float("inf"), 1, None, "ü\n"]}
    key, at = "alert:" + "x" * 500, datetime(2013, 4, 1, 3, 0, 0, 123456, tzinfo=there)
    written, _ = book.record(Entry("m", "alert_raised", key, at, "é" * 300, 1, evidence))
    (read,) = book.entries("m")
    assert read == written
    assert (read.key, read.at, read.at.tzinfo) == (key, at, UTC)
    assert read.evidence == {"roc_auc": None, "low": None, "in": [None, 1, None, "ü\n"]}


@pytest.mark.parametrize(
    ("change", "damage"),
    [
        ("set version = 3 where seq = 2", "entry 2 of flights differs"),
        ("set evidence = '{\"cost\": 2}' where seq = 1", "entry 1 of flights differs"),
        ("set actor = 'eve' where seq = 3", "entry 3 of flights differs"),
        ("set digest = 'x' where seq = 3", "entry 3 of flights differs"),
        ("set at = '2014-01-01 00:00:00' where seq = 3", "entry 3 of flights differs"),
        ("set model = 'other' where seq = 2", "entry 2 of flights is missing"),
    ],
)
def test_a_changed_entry_is_refused_by_its_number(home, change, damage):
    book = Ledger(f"sqlite:///{home / 'ledger.db'}")
    at = datetime(2013, 1, 1, 12, 30, 1, 7, tzinfo=UTC)
    for number in range(1, 4):
        evidence = {"cost": 1.5, "rows": (1, 2), "missing": float("nan"), "name": "ü"}
        book.record(Entry("flights", "refused", f"k{number}", at, "ada", number, evidence))
    assert [entry.seq for entry in book.entries("flights")] == [1, 2, 3]
    with sqlite3.connect(home / "ledger.db") as connection:
        connection.execute(f"update ledger {change}")
    with pytest.raises(Damaged, match=rf"ledger.db is damaged: {damage}.*restore it"):
        book.entries("flights")
