"""State of a model's ledger: champion, open episodes, unanswered requests, each folded once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from tasks.ledger import projections
from tasks.ledger.log import Entry, Ledger


@dataclass(frozen=True)
class LedgerState:
    """What the entries of one model say; a run reads it once and passes it on."""

    entries: tuple[Entry, ...]

    @property
    def seq(self) -> int:
        """The number of entries: what `Ledger.record` takes as `expected_seq`."""
        return len(self.entries)

    @cached_property
    def champion(self) -> Entry | None:
        """The promotion or rollback that made the champion; None before the first."""
        return projections.find_champion(self.entries)

    @property
    def champion_version(self) -> int | None:
        """The version of the champion; None before the first."""
        return None if self.champion is None else self.champion.version

    @cached_property
    def standing_promotions(self) -> tuple[Entry, ...]:
        """The promotions that were not rolled back, oldest first; the last made the champion."""
        return tuple(projections.list_standing_promotions(self.entries))

    @cached_property
    def open_episodes(self) -> tuple[Entry, ...]:
        """The open episodes, oldest first."""
        return tuple(projections.list_open_episodes(self.entries))

    @cached_property
    def unanswered(self) -> tuple[Entry, ...]:
        """The requests that nothing has answered yet, oldest first."""
        return tuple(projections.list_unanswered(self.entries))

    @cached_property
    def undecided_candidates(self) -> tuple[Entry, ...]:
        """The candidates that are neither promoted nor refused."""
        return tuple(projections.list_undecided_candidates(self.entries))

    def list_requests(self, *kinds: str) -> list[Entry]:
        """Return the unanswered requests of some kinds, oldest first."""
        return [entry for entry in self.unanswered if entry.what in kinds]

    def at(self, moment: datetime) -> LedgerState:
        """Return the state up to a moment, which is included."""
        return fold_ledger(entry for entry in self.entries if entry.at <= moment)


def fold_ledger(entries: Iterable[Entry]) -> LedgerState:
    """Return the state that the entries of one model come to."""
    return LedgerState(tuple(entries))


def read_ledger_state(book: Ledger, model: str) -> LedgerState:
    """Read the entries of a model, and return their state."""
    return fold_ledger(book.entries(model))
