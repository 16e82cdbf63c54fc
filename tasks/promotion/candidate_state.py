"""A version on its way to be champion: what the ledger says of it, and since when it waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from configs.errors import Terminal
from configs.schema.use_case import UseCase
from tasks.ledger.log import Entry
from tasks.ledger.projections import find_champion
from tasks.rollout.state import RunningRollout, find_rollout


@dataclass(frozen=True)
class CandidateState:
    """A candidate, all that the ledger knew when it was looked at, and the moment of what is next.

    `at` is never before the last change of champion, nor before what was done about the version.
    """

    use_case: UseCase
    version: int
    entries: tuple[Entry, ...]
    at: datetime

    @property
    def registered(self) -> Entry:
        """How it became a candidate."""
        return _registered(self.entries, self.use_case.name, self.version)

    @property
    def decision(self) -> Entry | None:
        """Its promotion or refusal; None while there is none."""
        return find_decision(self.entries, self.version)

    @property
    def asked(self) -> Entry | None:
        """What was asked of a person, with the gates that it had passed."""
        return self._keyed(f"approval_asked:{self.version}")

    @property
    def answer(self) -> Entry | None:
        """What the person said."""
        return self._keyed(f"approval:{self.version}")

    @property
    def champion(self) -> Entry | None:
        """What made the champion that it would replace."""
        return find_champion(self.entries)

    @property
    def rolling(self) -> RunningRollout | None:
        """What rolls out: itself, or another version."""
        return find_rollout(self.entries)

    def _keyed(self, key: str) -> Entry | None:
        return next((e for e in self.entries if e.key == key), None)


def read_candidate_state(
    use_case: UseCase, entries: Sequence[Entry], version: int, as_of: datetime | None
) -> CandidateState:
    """A candidate as the entries have it, at `as_of` or when it was last spoken of.

    Terminal if the ledger has no such candidate.
    """
    _registered(entries, use_case.name, version)
    reigning = find_champion(entries)
    known = [e.at for e in entries if e.version == version or e == reigning]
    return CandidateState(use_case, version, tuple(entries), max([*known, as_of or known[0]]))


def find_decision(entries: Sequence[Entry], version: int) -> Entry | None:
    """The last decision on a version, by the gate or by hand; None while there is none."""
    decided = [e for e in entries if e.version == version and e.what in ("promoted", "refused")]
    return decided[-1] if decided else None


def _registered(entries: Sequence[Entry], model: str, version: int) -> Entry:
    for entry in entries:
        if entry.what == "candidate_registered" and entry.version == version:
            return entry
    raise Terminal(
        f"the ledger of {model} has no candidate of version {version}: train/{model} makes one"
    )
