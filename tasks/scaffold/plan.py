"""Plan of a new use case: the answers given, and what they and the samples determine."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from configs.schema.base import ColumnType, LabelKind
from tasks.scaffold.sample import FEW_VALUES, Sample

Schedule = Literal["hourly", "daily", "weekly"]
AskQuestion = Callable[[str, str, str], str]
"""(flag, question, proposal) → answer; the proposal is "" where there is none."""
_LONGEST_LABEL_NAME = 41
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class GivenAnswers:
    """The values of the command's flags; those of a table are keyed by its name."""

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
    ahead: str = ""
    zone: str = ""
    old_predictions: str = ""
    schedule: Schedule = "daily"


@dataclass(frozen=True)
class Lag:
    """A time between a row and the earlier one that its inputs come from, and its name."""

    name: str
    span: timedelta


@dataclass(frozen=True)
class Forecast:
    """Rows that are predicted before they are known: one for each series and step of time.

    `series` are the keys beside the event time. `every` is the time between two rows of a series.
    """

    series: tuple[str, ...]
    every: timedelta
    lags: tuple[Lag, ...]


@dataclass(frozen=True)
class InputColumn:
    """A feature: its name, its source column, and that column's type."""

    name: str
    column: str
    kind: ColumnType

    @property
    def categorical(self) -> bool:
        """Whether the model takes it as a category."""
        return self.kind == "text"


@dataclass(frozen=True)
class TablePlan:
    """A table: its sample, keys and times, the features from it, and the columns left out.

    `join` are the columns that look up the newest row. `left_out` gives the reason by column. Rows
    that are predicted before they are known have inputs from rows that lie `lag` earlier.
    """

    sample: Sample
    keys: tuple[str, ...]
    event: str
    known: str
    known_from: datetime | None
    join: tuple[str, ...] = ()
    inputs: tuple[InputColumn, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    lag: Lag | None = None

    @property
    def name(self) -> str:
        """The table's name."""
        return self.sample.name

    @property
    def view_name(self) -> str:
        """The name of its view, and of the function that returns the view's rows."""
        return self.name if self.lag is None else f"{self.name}_{self.lag.name}"

    def shift(self, lag: Lag) -> TablePlan:
        """Return the plan of a view of the rows that lie a lag before the predicted ones."""
        inputs = (replace(each, name=f"{each.name}_{lag.name}") for each in self.inputs)
        return replace(self, inputs=tuple(inputs), lag=lag)


@dataclass(frozen=True)
class LabelPlan:
    """The label: a column of a table, and how its values are read.

    It is 1 where the column is `positive`, or the column's number, or one of `classes`. It is 0
    where the column is one of `negatives`; other values are no labels. Without `negatives` every
    other value is 0. `beyond` is a comparison and a number that make it 1, like `gt` and 300. It is
    known `after` the prediction at the earliest.
    """

    table: str
    column: str
    kind: LabelKind
    positive: str
    after: timedelta
    classes: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    beyond: tuple[str, float] | None = None

    @property
    def name(self) -> str:
        """The label's name in the YAML, which allows ASCII letters, digits and _ only."""
        name = to_name(self.column)[:_LONGEST_LABEL_NAME]
        return name if name.isascii() else "label"


@dataclass(frozen=True)
class ScaffoldPlan:
    """A whole use case. `subject` is the table whose rows are predicted.

    A row is predicted `ahead` of its event, or as soon as it is known. It has a `forecast` if it is
    not known then. `zone` is that of times without one. `opponents` are columns that a first
    champion must beat.
    """

    name: str
    tables: Mapping[str, TablePlan]
    subject: TablePlan
    label: LabelPlan
    schedule: Schedule
    ahead: timedelta = timedelta(0)
    forecast: Forecast | None = None
    zone: str = "UTC"
    old_predictions: str = ""

    @property
    def views(self) -> list[TablePlan]:
        """The tables that have a view: all that provide features. A forecast has one a lag."""
        views = []
        for table in self.tables.values():
            lags = self.forecast.lags if self.forecast and table is self.subject else ()
            views += [table.shift(lag) for lag in lags] or [table]
        return [view for view in views if view.inputs]

    @property
    def clock_inputs(self) -> dict[str, str]:
        """The calendar numbers of a forecast's events, by name: methods of polars' `dt`."""
        if self.forecast is None:
            return {}
        every, widest = self.forecast.every, {"hour": timedelta(hours=12), "weekday": _DAY}
        return {f"event_{part}": part for part, width in widest.items() if every <= width}

    @property
    def predicted_at(self) -> pl.Expr:
        """The prediction time of a key, of all rows with the key."""
        known = pl.col(self.subject.known).min()
        if not self.ahead:
            return known
        ahead_of_event = pl.col(self.subject.event).min() - self.ahead
        return ahead_of_event if self.forecast else pl.max_horizontal(ahead_of_event, known)

    @property
    def opponents(self) -> list[str]:
        """The columns that a first champion must beat: earlier labels, and the old predictions."""
        old = [self.old_predictions] if self.old_predictions else []
        if self.label.kind == "multiclass" or self.label.positive:
            return old
        labels = [
            each.name for view in self.views if view.lag for each in view.inputs
            if each.column == self.label.column
        ]  # fmt: skip
        return [*labels, *old]

    @property
    def label_column_kind(self) -> ColumnType:
        """The type of the column that holds the label."""
        return self.tables[self.label.table].sample.columns[self.label.column]

    @property
    def spine_columns(self) -> list[str]:
        """The columns that the spine takes from its table: its keys and the views' join columns."""
        joins = (column for table in self.views for column in table.join)
        old = (self.old_predictions,) if self.old_predictions else ()
        return list(dict.fromkeys((*self.subject.keys, *joins, *old)))

    @property
    def known_categories(self) -> list[str]:
        """The spine's columns that are categorical features themselves."""
        rows, texts = self.subject.sample.rows, self.subject.sample.columns_of("text")
        return [
            name
            for name in self.spine_columns
            if name in texts and rows[name].n_unique() <= FEW_VALUES
        ]


def to_name(column: str) -> str:
    """Return a column's name as a feature's: small letters, digits and underscores."""
    words = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", column.lower())).strip("_")
    name = "".join(letter if f"_{letter}".isidentifier() else "_" for letter in words)
    return name if name[:1].isalpha() else f"x_{name}"
