"""What a new use case will be: what was said of it, and what comes of that and the samples."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from configs.schema.base import ColumnType, LabelKind
from tasks.scaffold.sample import FEW_VALUES, Sample

Schedule = Literal["hourly", "daily", "weekly"]
AskQuestion = Callable[[str, str, str], str]
"""(flag, question, proposal) → answer; the proposal is "" where there is none."""


@dataclass(frozen=True)
class GivenAnswers:
    """What the flags say; those of a table are by its name."""

    name: str
    tables: Mapping[str, str]
    keys: Mapping[str, str] = field(default_factory=dict)
    event_time: Mapping[str, str] = field(default_factory=dict)
    known_time: Mapping[str, str] = field(default_factory=dict)
    known_from: Mapping[str, str] = field(default_factory=dict)
    join: Mapping[str, str] = field(default_factory=dict)
    predict: str = ""
    label: str = ""
    kind: LabelKind | None = None
    positive: str = ""
    after: str = ""
    schedule: Schedule = "daily"


@dataclass(frozen=True)
class InputColumn:
    """A feature: its name, the column that it is made of, and that one's type."""

    name: str
    column: str
    kind: ColumnType

    @property
    def categorical(self) -> bool:
        """Whether the model takes it as a category."""
        return self.kind == "text"


@dataclass(frozen=True)
class TablePlan:
    """A table: its sample, keys, times, by which columns its newest row is looked up (`join`),
    what the model takes of it, and what not, and why.
    """

    sample: Sample
    keys: tuple[str, ...]
    event: str
    known: str
    known_from: datetime | None
    join: tuple[str, ...] = ()
    inputs: tuple[InputColumn, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The table's name."""
        return self.sample.name


@dataclass(frozen=True)
class LabelPlan:
    """What is predicted: a column of a table, as 1 where it is `positive`, as its number, or as one
    of `classes`, known `after` the prediction at the earliest.
    """

    table: str
    column: str
    kind: LabelKind
    positive: str
    after: timedelta
    classes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The label's name."""
        return to_name(self.column)


@dataclass(frozen=True)
class ScaffoldPlan:
    """A whole use case. `subject` is the table whose rows are predicted."""

    name: str
    tables: Mapping[str, TablePlan]
    subject: TablePlan
    label: LabelPlan
    schedule: Schedule

    @property
    def views(self) -> list[TablePlan]:
        """The tables that have a view: all that the model takes something of."""
        return [table for table in self.tables.values() if table.inputs]

    @property
    def asked(self) -> list[str]:
        """The columns that the spine gives of its table: its keys, and what views are joined by."""
        joins = (column for table in self.views for column in table.join)
        return list(dict.fromkeys((*self.subject.keys, *joins)))

    @property
    def known_categories(self) -> list[str]:
        """The spine's columns that are categories themselves."""
        rows = self.subject.sample.rows
        texts = (name for name in self.asked if name in self.subject.sample.of("text"))
        return [name for name in texts if rows[name].n_unique() <= FEW_VALUES]


def to_name(column: str) -> str:
    """A column's name as a feature's: small letters, digits and underscores."""
    name = re.sub(r"\W+", "_", column.lower()).strip("_")
    return name if name[:1].isalpha() else f"x_{name}"
