"""Counts of a sweep: what was tried, and each fault by its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rich.table import Table

Tell = Callable[[str], None]
"""Shows how far a sweep is."""

FAULTS = ("lost", "doubled", "stuck", "silent", "hung", "untyped")
"""Rows or entries that are missing, that are there twice, a step that cannot be finished, another
result without an error, a step without an end, and an error that is not Mainspring's own."""


@dataclass
class Tally:
    """What one sweep tried; `faults` by kind, each with the words that find it again."""

    name: str
    tried: int = 0
    faults: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in FAULTS})

    def add(self, kind: str, what: str) -> None:
        """Count a fault."""
        self.faults[kind].append(what)

    @property
    def total(self) -> int:
        return sum(map(len, self.faults.values()))

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "tried": self.tried, **self.faults}


def tabulate(tallies: Iterable[Tally]) -> Table:
    """One row a sweep, one column a kind of fault."""
    table = Table("sweep", "tried", *FAULTS)
    for tally in tallies:
        counts = (str(len(tally.faults[kind])) for kind in FAULTS)
        table.add_row(tally.name, str(tally.tried), *counts)
    return table
