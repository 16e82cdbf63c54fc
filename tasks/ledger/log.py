"""Append-only ledger of what happened to each model, with compare-and-set.

An entry has a place in its model's order (`seq`) and a key. Both are unique, so of two concurrent
promotions one is recorded, and a duplicate alert changes nothing. The champion, the open episodes
and the unanswered requests are projections of the entries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
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
    func,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError

from configs.clock import as_utc, utc_or_now
from configs.errors import Conflict, Damaged
from configs.paths import sqlite_path
from configs.settings import settings
from configs.urls import shown
from tasks.ledger.json_values import to_finite
from tasks.ledger.migrate import HEAD_REVISION, migrate_ledger, read_revision
from tasks.storage.database import (
    database_errors,
    hold_database_lock,
    open_database,
    use_write_ahead_log,
)

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
    "refit_asked",  #     key refit:<version>           request: fit what passed the gate again
    "refit_dropped",  #   key refit_dropped:<version>   no refit took its place, it goes on itself
    "rollout_started",  # key rollout:<version>         it scores beside the champion
    "rollout_grown",  #   key rollout:<version>:<stage> with a larger share
    "step_asked",  #      key step:<version>:<date>     request: the next step of a candidate
    "promoted",  #        key decision:<version>        champion from `at` on
    #                     or hand:<version>             the same, decided by a person
    "refused",  #         key decision:<version>        refused for good
    "rollback_asked",  #  key undo:<seq of promotion>   request: roll back, a loss is shown
    "rolled_back",  #     key rollback:<seq of promotion>  `version` is champion again from `at` on
    "schema_migrated",  # key schema:<table>:<version>  columns get other types
    "recovered",  #       key recovered:<seq of the lost champion>  `version` follows; None without
    "retired",  #         key retired:<time>            a person ended the use case
    "rows_released",  #   key rows_released:<table>:<digest>  quarantined rows went to raw
    "rows_repaired",  #   key rows_repaired:<table>:<digest>  raw rows went to quarantine
    "rows_erased",  #     key rows_erased::<digest>     tombstone: all rows of a key were erased
    "notified",  #        key notified:<block>:<entry>  a notification was sent
    "limits_renewed",  #  key limits:<version>:<date>   calibrated limits from more judged days
]

# Each of these is a request. Its event may be lost; `list_unanswered` finds the open requests.
RequestKind = Literal[
    "alert_raised", "candidate_registered", "refit_asked", "step_asked", "approved", "rejected",
    "rollback_asked",
]  # fmt: skip

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
    Column("digest", String(64)),  # none in entries that an older version wrote
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
        self._engine: Engine = open_database(url)
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
        """Return all entries of a model (of every model), in order.

        A SQLite file that is missing has none, and a reader does not create it. Raises Damaged if
        an entry is missing, or is not as it was written.
        """
        file = sqlite_path(self._url)
        if file is not None and not file.exists():
            return []
        query = select(_table).order_by(_table.c.model, _table.c.seq)
        if model is not None:
            query = query.where(_table.c.model == model)
        with self._connection() as connection:
            rows = [dict(row._mapping) for row in connection.execute(query)]
        entries = [_to_entry(row) for row in rows]
        self._require_intact(entries, [row["digest"] for row in rows])
        return entries

    def read_last_seq(self, model: str) -> int:
        """Return the `seq` of a model's newest entry; 0 without one. Reads no entry."""
        file = sqlite_path(self._url)
        if file is not None and not file.exists():
            return 0
        query = select(func.max(_table.c.seq)).where(_table.c.model == model)
        with self._connection() as connection:
            return connection.execute(query).scalar() or 0

    def _require_intact(self, entries: Sequence[Entry], digests: Sequence[str | None]) -> None:
        place, expected = shown(self._url), dict.fromkeys((e.model for e in entries), 1)
        for entry, digest in zip(entries, digests, strict=True):
            if entry.seq != expected[entry.model]:
                damage = f"entry {expected[entry.model]} of {entry.model} is missing"
            elif digest not in (None, digest_entry(entry)):
                damage = f"entry {entry.seq} of {entry.model} differs from its digest"
            else:
                expected[entry.model] += 1
                continue
            raise Damaged(f"{place} is damaged: {damage}; restore it from a backup")

    def prepare(self) -> None:
        """Bring the table to its newest revision; every read and write does that first.

        A table that has it needs no lock: a process that stands in a migration stops no reader.
        """
        if not (self._is_prepared or self._has_newest_revision()):
            file = sqlite_path(self._url)
            with hold_database_lock(self._url), database_errors(self._url):
                if file is not None:
                    use_write_ahead_log(file)
                with self._engine.begin() as connection:
                    migrate_ledger(connection)
        self._is_prepared = True

    def _has_newest_revision(self) -> bool:
        file = sqlite_path(self._url)
        if file is not None and not file.exists():
            return False
        with database_errors(self._url), self._engine.connect() as connection:
            return read_revision(connection) == HEAD_REVISION

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
            values = vars(written) | {"digest": digest_entry(written)}
            connection.execute(insert(_table).values(**values))
        return written


@cache
def open_ledger() -> Ledger:
    """Return the ledger of this process, at the address of the settings."""
    return Ledger(settings().ledger_url)


def digest_entry(entry: Entry) -> str:
    """Return the sha256 of all fields of an entry, as they are stored."""
    stored = json.dumps(vars(entry), sort_keys=True, default=datetime.isoformat)
    return sha256(stored.encode()).hexdigest()


def _to_entry(row: Mapping[str, Any]) -> Entry:
    fields = {name: value for name, value in row.items() if name not in ("id", "digest")}
    at, recorded = as_utc(fields.pop("at")), as_utc(fields.pop("recorded"))
    return Entry(at=at, recorded=recorded, **fields)
