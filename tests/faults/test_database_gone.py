"""A database server that goes away and comes back: told of, and nothing lost or done twice."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from configs.errors import Transient
from configs.urls import with_driver
from tasks.ledger.log import Entry, Ledger
from tests.support.postgres import PASSWORD, Postgres

AT = datetime(2013, 4, 1, tzinfo=UTC)
FIRST = Entry("m", "promoted", "decision:1", AT, "test", 1)
SECOND = Entry("m", "promoted", "decision:2", AT, "test", 2)


class Unlucky(Ledger):
    """Its server is restarted between what a record has read and what it writes."""

    def __init__(self, url: str, server: Postgres) -> None:
        super().__init__(url)
        self.server = server

    def _insert(self, entry: Entry, seq: int) -> Entry:
        self.server.stop()
        self.server.start()
        return super()._insert(entry, seq)


@pytest.fixture
def url(postgres: Postgres) -> str:
    return with_driver(postgres.database("ledger"), "psycopg")


def test_a_restart_between_reading_and_writing_is_survived(url: str, postgres: Postgres) -> None:
    written, new = Unlucky(url, postgres).record(FIRST, expected_seq=0)
    assert new
    assert Ledger(url).entries("m") == [written]


def test_a_server_that_is_gone_may_come_back(url: str, postgres: Postgres) -> None:
    book = Ledger(url)
    book.record(FIRST)
    postgres.stop()
    try:
        with pytest.raises(Transient, match=r"://\*\*\*@.*cannot be used now") as told:
            book.record(SECOND, expected_seq=1)
        with pytest.raises(Transient):
            Ledger(url).entries()
    finally:
        postgres.start()
    assert PASSWORD not in str(told.value)
    assert [book.record(SECOND, expected_seq=1)[1] for _ in range(2)] == [True, False]
    assert [e.key for e in book.entries()] == ["decision:1", "decision:2"]


def test_a_wrong_password_is_told_of_without_it(url: str) -> None:
    wrong = url.replace("mainspring:", "mainspring:x", 1)
    with pytest.raises(Transient, match="password authentication failed") as told:
        Ledger(wrong).entries()
    assert "x" + PASSWORD not in str(told.value)
    assert wrong.split("@")[0] not in str(told.value)
