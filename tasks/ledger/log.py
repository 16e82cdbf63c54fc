"""The one append-only record of what happened to each model, with compare-and-set.

Every entry has a place in its model's order (`seq`) and a key that says what it is; both are
unique, so of two promotions at once one wins, and a duplicate alert changes nothing. What is
true now (champion, open episodes, what is unanswered) is a fold over the entries.
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

from configs.clock import utc_or_now
from configs.errors import Conflict
from configs.settings import settings
from tasks.storage.database import database_errors, hold_database_lock

EntryKind = Literal[
    "episode_opened",  #  key episode:<cause>:<date>    something is bad
    "episode_closed",  #  key closed:<episode>          good again, or another champion
    "alert_raised",  #    key alert:<episode>:<date>    retraining is asked for
    "retrain_started",  # key retrain:<alert>           somebody does it
    "candidate_registered",  # key candidate:<alert>    a challenger asks for its decision
    "deferred",  #        key deferred:<version>:<date> too little is known to decide
    "approval_asked",  #  key approval_asked:<version>  the gate let it in, a person decides
    "approved",  #        key approval:<version>        the person said yes
    "rejected",  #        key approval:<version>        the person said no
    "rollout_started",  # key rollout:<version>         it scores beside the champion
    "rollout_grown",  #   key rollout:<version>:<stage> with a larger share
    "step_asked",  #      key step:<version>:<date>     what was deferred or rolls out can go on
    "promoted",  #        key decision:<version>        it is champion from `at` on
    #                     or hand:<version>             a person passed it around the gate
    "refused",  #         key decision:<version>        it is not
    "rollback_asked",  #  key undo:<seq of promotion>   the champion is shown to be worse
    "rolled_back",  #     key rollback:<seq of promotion>  `version` reigns again from `at` on
    "notified",  #        key notified:<block>:<entry>  a person was told
]

# Each of these asks for something, by an event that may be lost; `unanswered` knows which still do.
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
    """One thing that happened: what, to which model and version, when (in the flows' time, UTC),
    by whom or which rule, and on what evidence (JSON). `seq` is 0 and `recorded`, the real time
    of the writing, is None until it is recorded.
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
    """The ledger at a SQLAlchemy address; its table is made when it is missing.

    Every method raises Transient if the database cannot be used now, CannotWrite if its disk takes
    no more. An entry whose writer never heard whether it got in is found by its key the next time.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine = create_engine(url, pool_pre_ping=True)
        self._made = False

    def record(self, entry: Entry, *, expected_seq: int | None = None) -> tuple[Entry, bool]:
        """Record an entry; it as it stands, and whether this call was the one that wrote it.

        An entry with the same model and key is found, not written again. With `expected_seq`,
        the number of entries the caller has seen, Conflict is raised if there are more by now.
        """
        while True:
            seen = self.entries(entry.model)
            known = next((e for e in seen if e.key == entry.key), None)
            if known is not None:
                return known, False
            if expected_seq is not None and len(seen) != expected_seq:
                raise Conflict(
                    f"{entry.model}: {entry.what} expected seq {expected_seq}, found {len(seen)}"
                )
            try:
                return self._insert(entry, len(seen) + 1), True
            except IntegrityError:
                continue  # somebody wrote between reading and writing: look again

    def entries(self, model: str | None = None) -> list[Entry]:
        """All entries of a model (of every model), in order."""
        query = select(_table).order_by(_table.c.model, _table.c.seq)
        if model is not None:
            query = query.where(_table.c.model == model)
        with self._connection() as connection:
            return [_entry(row) for row in connection.execute(query)]

    def prepare(self) -> None:
        """Make the table, unless it is there; what reads or writes does that, too."""
        if not self._made:
            with hold_database_lock(self._url), database_errors(self._url):
                _metadata.create_all(self._engine, checkfirst=True)
            self._made = True

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A connection in a transaction, to a database that has the table."""
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
    """The ledger of this process, where the settings put it."""
    return Ledger(settings().ledger_url)


def to_finite(value: Any) -> Any:  # noqa: ANN401
    """Return a value as JSON can hold it: NaN and infinity become null."""
    if isinstance(value, Mapping):
        return {name: to_finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _entry(row: Row[Any]) -> Entry:
    found = row._mapping
    names = ("model", "what", "key", "version", "evidence", "actor", "seq")
    at, recorded = utc_or_now(found["at"]), utc_or_now(found["recorded"])
    return Entry(at=at, recorded=recorded, **{name: found[name] for name in names})
