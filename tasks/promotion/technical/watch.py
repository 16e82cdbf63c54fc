"""Watch of the technical gate: it runs in every process that predicts, and one of them judges."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Event, Thread

from configs.errors import Conflict, MainspringError
from configs.schema.serving import TechnicalGate
from configs.schema.use_case import UseCase
from infra.fault_injection import effect
from tasks.ledger.evidence import RollbackAsked, read_evidence
from tasks.ledger.log import Entry, Ledger, open_ledger
from tasks.ledger.state import read_ledger_state
from tasks.lifecycle.champion_alias import sync_champion_alias
from tasks.promotion.rollback import roll_back_as_asked
from tasks.promotion.technical.changes import (
    TECHNICAL_ACTOR,
    find_refusal,
    find_technical_episodes,
    find_technical_rollback,
)
from tasks.serving.version_tally import (
    TallyPeriod,
    VersionTally,
    read_periods,
    remove_old_periods,
    tally_folder,
)

_logger = logging.getLogger(__name__)
_GRACE = 1.0  # seconds in which the other processes write their tallies


class TechnicalWatch:
    """Writes the tallies of its process at every look; one process of a machine judges all."""

    def __init__(
        self, use_case: UseCase, gate: TechnicalGate, tally: VersionTally,
        clock: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._use_case, self._gate, self._tally, self._clock = use_case, gate, tally, clock
        self._folder, self._stop = tally_folder(use_case), Event()
        self._thread = Thread(target=self._work, name="technical gate", daemon=True)

    def start(self) -> None:
        """Look from now on, in a thread."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def stop(self) -> None:
        """End the looks."""
        self._stop.set()
        self._thread.join(timeout=10)

    def _work(self) -> None:
        every = self._gate.every_seconds
        end = (self._clock().timestamp() // every + 1) * every
        while not self._stop.wait(max(end - self._clock().timestamp(), 0)):
            try:
                self._tally.write_period(self._folder, end)
                if self._stop.wait(min(_GRACE, every / 2)):
                    return
                self._judge(end)
            except Exception:
                _logger.exception("the technical gate of %s failed", self._use_case.name)
            end = max(end + every, self._clock().timestamp() // every * every)

    def _judge(self, end: float) -> None:
        """Judge, unless another process does it now."""
        with _hold_lock(self._folder / "judge.lock") as is_held:
            if not is_held:
                return
            remove_old_periods(self._folder, end, self._gate.every_seconds)
            periods = read_periods(self._folder)
            for entry in record_technical_changes(
                open_ledger(), self._use_case.name, self._gate, periods, self._clock()
            ):
                _logger.warning("%s: %s", entry.what, entry.key)


def record_technical_changes(
    book: Ledger,
    model: str,
    gate: TechnicalGate,
    periods: list[TallyPeriod],
    as_of: datetime,
) -> list[Entry]:
    """Record episodes that open or close, and end or undo what they are about; return all entries.

    Idempotent. If the ledger changes in the meantime, the next look decides.

    Args:
        book: the ledger.
        model: name of the use case.
        gate: the limits.
        periods: tallies, in order.
        as_of: moment of the look.
    """
    try:
        return list(_record_changes(book, model, gate, periods, as_of))
    except Conflict:
        return []


def _record_changes(
    book: Ledger, model: str, gate: TechnicalGate, periods: list[TallyPeriod], as_of: datetime
) -> Iterator[Entry]:
    ledger = read_ledger_state(book, model)
    expected = ledger.seq
    for entry in find_technical_episodes(model, gate, ledger, periods, as_of):
        with effect("record a technical episode"):
            yield book.record(entry, expected_seq=expected)[0]
        expected += 1
    ledger = read_ledger_state(book, model)
    refusal, request = find_refusal(ledger, as_of), find_technical_rollback(ledger, as_of)
    if refusal is not None:
        with effect("end the rollout"):
            yield book.record(refusal, expected_seq=ledger.seq)[0]
    elif request is not None:
        with effect("ask for the rollback"):
            asked_for, _ = book.record(request, expected_seq=ledger.seq)
        yield asked_for
        yield from _undo(book, asked_for, as_of)


def _undo(book: Ledger, request: Entry, as_of: datetime) -> Iterator[Entry]:
    """Roll back as requested; the reconcile flow brings the alias up to date if MLflow is down."""
    model, promotion = request.model, read_evidence(request, RollbackAsked).promotion
    entry = roll_back_as_asked(book, model, promotion, as_of, TECHNICAL_ACTOR)
    if entry is None:
        return
    yield entry
    try:
        sync_champion_alias(book, model)
    except MainspringError as error:
        _logger.warning("the MLflow aliases of %s are not up to date: %s", model, error)


@contextmanager
def _hold_lock(path: Path) -> Iterator[bool]:
    """Hold a lock among processes; yield False if another one has it."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
