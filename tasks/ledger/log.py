"""Append-only ledger of what happened to each model, with compare-and-set.

An entry has a place in its model's order (`seq`) and a key. Both are unique, so of two concurrent
promotions one is recorded, and a duplicate alert changes nothing. The champion, the open episodes
and the unanswered requests are projections of the entries.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    insert,
    select,
)
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError

from configs.clock import as_utc, utc_or_now
from configs.errors import Conflict
from configs.settings import settings
from tasks.ledger.migrate import migrate_ledger
from tasks.storage.database import database_errors, hold_database_lock

EntryKind = Literal[
    "episode_opened",  #  key episode:<cause>:<date>    a cause became bad
    "episode_closed",  #  key closed:<episode>          it is good again, or the champion changed
    "alert_raised",  #    key alert:<episode>:<date>    request: retrain
    "retrain_started",  # key retrain:<alert>           a run claims the alert
    "candidate_registered",  # key candidate:<alert>    request: decide on a challenger
    "deferred",  #        key deferred:<version>:<date> too few rows to decide
    "approval_asked",  #  key approval_asked:<version>  the gate passed, a person decides
    "approved",  #        key approval:<version>        the person approved
    "rejected",  #        key approval:<version>        the person rejected
    "rollout_started",  # key rollout:<version>         it scores beside the champion
    "rollout_grown",  #   key rollout:<version>:<stage> with a larger share
    "step_asked",  #      key step:<version>:<date>     request: the next step of a candidate
    "promoted",  #        key decision:<version>        champion from `at` on
    #                     or hand:<version>             the same, decided by a person
    "refused",  #         key decision:<version>        refused for good
    "rollback_asked",  #  key undo:<seq of promotion>   request: roll back, a loss is shown
    "rolled_back",  #     key rollback:<seq of promotion>  `version` is champion again from `at` on
    "notified",  #        key notified:<block>:<entry>  a notification was sent
]

# Each of these is a request. Its event may be lost; `list_unanswered` finds the open requests.
RequestKind = Literal[
    "alert_raised", "candidate_registered", "step_asked", "approved", "rejected", "rollback_asked"
]

_metadata = MetaData()
_table = Table(
    "ledger",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("model", String(64), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("what", String(32), nullable=False),
    Column("key", Text, nullable=False),
    Column("version", Integer),
    Column("evidence", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("recorded", DateTime(timezone=True), nullable=False),
    UniqueConstraint("model", "seq"),
    UniqueConstraint("model", "key"),
)


@dataclass(frozen=True)
class Entry:
    """One thing that happened to a model, with its version, time, actor and evidence (JSON).

    `at` is in the flows' time, in UTC. `recorded` is the real time of the write. `seq` is 0 and
    `recorded` is None until the entry is recorded.
    """

    model: str
    what: EntryKind
    key: str
    at: datetime
    actor: str
    version: int | None = None
    evidence: dict[str, Any] = field(default_factory=dict)
    seq: int = 0
    recorded: datetime | None = field(default=None, compare=False)


class Ledger:
    """The ledger at a SQLAlchemy address; its table is created when it is missing.

    Every method raises Transient if the database is not available now, CannotWrite if its disk is
    full. A writer that got no response finds its entry by the key the next time.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine = create_engine(url, pool_pre_ping=True)
        self._is_prepared = False

    def record(self, entry: Entry, *, expected_seq: int | None = None) -> tuple[Entry, bool]:
        """Record an entry; return it as stored, and whether this call wrote it.

        An entry with the same model and key is returned, not written again. `expected_seq` is the
        number of entries that the caller has read: Conflict is raised if there are more by now.
        """
        while True:
            entries = self.entries(entry.model)
            existing = next((e for e in entries if e.key == entry.key), None)
            if existing is not None:
                return existing, False
            if expected_seq is not None and len(entries) != expected_seq:
                raise Conflict(
                    f"{entry.model}: {entry.what} expected seq {expected_seq}, found {len(entries)}"
                )
            try:
                return self._insert(entry, len(entries) + 1), True
            except IntegrityError:
                continue  # another process wrote between the read and the write: retry

    def entries(self, model: str | None = None) -> list[Entry]:
        """Return all entries of a model (of every model), in order."""
        query = select(_table).order_by(_table.c.model, _table.c.seq)
        if model is not None:
            query = query.where(_table.c.model == model)
        with self._connection() as connection:
            return [_to_entry(row) for row in connection.execute(query)]

    def prepare(self) -> None:
        """Bring the table to its newest revision; every read and write does that first."""
        if not self._is_prepared:
            with (
                hold_database_lock(self._url),
                database_errors(self._url),
                self._engine.begin() as connection,
            ):
                migrate_ledger(connection)
            self._is_prepared = True

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """Open a connection in a transaction, to a database that has the table."""
        self.prepare()
        with database_errors(self._url), self._engine.begin() as connection:
            yield connection

    def _insert(self, entry: Entry, seq: int) -> Entry:
        at, evidence = entry.at.astimezone(UTC), to_finite(entry.evidence)
        written = replace(entry, seq=seq, at=at, evidence=evidence, recorded=utc_or_now())
        with self._connection() as connection:
            connection.execute(insert(_table).values(**vars(written)))
        return written


@cache
def open_ledger() -> Ledger:
    """Return the ledger of this process, at the address of the settings."""
    return Ledger(settings().ledger_url)


def to_finite(value: Any) -> Any:  # noqa: ANN401
    """Return a value as JSON can hold it: NaN and infinity become null."""
    if isinstance(value, Mapping):
        return {name: to_finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _to_entry(row: Row[Any]) -> Entry:
    fields = dict(row._mapping)
    del fields["id"]
    at, recorded = as_utc(fields.pop("at")), as_utc(fields.pop("recorded"))
    return Entry(at=at, recorded=recorded, **fields)
