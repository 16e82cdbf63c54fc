"""The files of a small use case: YAML, feature module, Feast declarations and suites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ColumnDeclaration = str | Mapping[str, Any]
_ARGUMENTS = {"number": "numbers", "integer": "counts", "text": "texts", "boolean": "flags"}
_KEYS = {"text": "text_key", "integer": "integer_key", "time": "time_key"}
_LABEL_TYPES = {"regression": "Float64", "multiclass": "String"}


@dataclass(frozen=True)
class SmallTable:
    """A landed table: columns as in the YAML, keys and times.

    Attributes:
        columns: name: type, or name: what the YAML may say of a column.
        keys: columns that identify a row.
        event: column of the event time.
        known: column of the known time; None: the event time.
        known_from: for a table without times.
        suffix: of its files, without a dot.
        rules: more expectations, as source text of calls of expectations.rules.
        yaml: more fields of the table in the YAML.
    """

    columns: Mapping[str, ColumnDeclaration]
    keys: tuple[str, ...]
    event: str = "sent"
    known: str | None = None
    known_from: str | None = None
    suffix: str = "csv"
    rules: tuple[str, ...] = ()
    yaml: Mapping[str, Any] = field(default_factory=dict)

    @property
    def known_time(self) -> str:
        """The column of the known time, also of a table without times."""
        return "_known" if self.known_from else self.known or self.event

    @property
    def times(self) -> set[str]:
        """The columns of the two times."""
        return {self.event, self.known_time}

    def kind(self, column: str) -> str:
        """Return the type of a column."""
        declared = self.columns[column]
        return declared if isinstance(declared, str) else declared["type"]


@dataclass(frozen=True)
class SmallLabel:
    """The label: a column of the predicted table, known `after` days (0: with its row)."""

    column: str = "damaged"
    after: int = 3
    kind: str = "binary"
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SmallDeclaration:
    """All that the files of a small use case say. The first table is the predicted one."""

    name: str
    package: str
    tables: Mapping[str, SmallTable]
    label: SmallLabel
    inputs: tuple[str, ...] = ()

    @property
    def subject(self) -> tuple[str, SmallTable]:
        """Name and declaration of the predicted table."""
        return next(iter(self.tables.items()))

    @property
    def spine_columns(self) -> list[str]:
        """The keys of the predicted table, and those of the other tables that it has."""
        _, subject = self.subject
        others = [key for table in self.tables.values() for key in table.keys]
        return list(dict.fromkeys([*subject.keys, *(k for k in others if k in subject.columns)]))

    def view_columns(self, table: SmallTable) -> list[str]:
        """Return the features of a table's view: no key, no time, no label."""
        passed = {*table.keys, *table.times, self.label.column}
        if table is self.subject[1]:
            passed |= set(self.spine_columns)
        return [c for c in table.columns if c not in passed and table.kind(c) in _ARGUMENTS]

    def input_kinds(self) -> dict[str, str]:
        """Return the inputs of the model with their types."""
        _, subject = self.subject
        found = {c: t.kind(c) for t in self.tables.values() for c in self.view_columns(t)}
        on_spine = [c for c in self.spine_columns if c not in subject.keys]
        found |= {column: subject.kind(column) for column in on_spine}
        return {name: found[name] for name in self.inputs or found}


def use_case_yaml(case: SmallDeclaration) -> dict[str, Any]:
    """Return the content of the YAML, with a small model and the schedules of `new`."""
    kinds, boosting = case.input_kinds(), {"max_iter": 8, "min_samples_leaf": 5}
    family = "Regressor" if case.label.kind == "regression" else "Classifier"
    estimator = f"sklearn.ensemble.HistGradientBoosting{family}"
    costs = {
        "binary": {"false_positive": 1, "false_negative": 3},
        "regression": {"over": 1, "under": 1},
        "multiclass": {"wrong": 1},
    }
    label: dict[str, Any] = {"column": case.label.column, "kind": case.label.kind}
    return {
        "name": case.name,
        "title": f"What becomes of {case.name}?",
        "expectations": f"{case.package}.suites",
        "tables": {name: _table_yaml(name, table) for name, table in case.tables.items()},
        "spine": {"keys": list(case.subject[1].keys)},
        "label": label | ({"classes": list(case.label.classes)} if case.label.classes else {}),
        "features": {
            "module": f"{case.package}.transforms",
            "views": list(case.tables),
            "service": f"{case.name}_v1",
            "numeric": [name for name, kind in kinds.items() if kind != "text"],
            "categorical": [name for name, kind in kinds.items() if kind == "text"],
        },
        "candidates": {
            "boosting": {"estimator": estimator, "params": boosting | {"early_stopping": False}}
        },
        "split": {"validation": "5d", "holdout": "10d", "min_rows": 40},
        "evaluation": {"cost": costs[case.label.kind], "slice_min_rows": 20},
        "gate": {"min_rows": 50},
        "retrain": {"window": "60d"},
        "schedules": {
            "ingest": "0 3 * * *", "materialize": "20 3 * * *", "score": "40 3 * * *",
            "monitor": "30 4 * * 1", "train": "0 5 1 * *", "score_window": "1d",
        },
    }  # fmt: skip


def transforms_source(case: SmallDeclaration) -> str:
    """Return the feature module: the newest row of each table, and rows predicted when known."""
    name, subject = case.subject
    label, spine = case.label, ", ".join(map(repr, case.spine_columns))
    cast = f".cast(pl.{_LABEL_TYPES[label.kind]})" if label.kind in _LABEL_TYPES else ""
    value = f"pl.col({label.column!r}){cast}"
    views = "\n\n".join(_view_source(case, *each) for each in case.tables.items())
    return f'''"""Features of {case.name}."""
from datetime import timedelta

import polars as pl

from feature_repo.baseline import first, known_in, newest

KEY = {subject.keys!r}


{views}

def spine(raw, start, end):
    rows = first(raw[{name!r}], KEY, {subject.known_time!r})
    rows = rows.select({spine}, prediction_time={subject.known_time!r})
    return rows.filter(pl.col("prediction_time") >= start, pl.col("prediction_time") < end)


def labels(raw, start, end):
    latest = newest(raw[{name!r}], KEY, {subject.known_time!r}).select(
        *KEY, {value}.alias({label.column!r}), label_known_time={subject.known_time!r}
    )
    known = pl.col("prediction_time") + timedelta(days={label.after})
    predicted = spine(raw, start, end).select(*KEY, "prediction_time")
    rows = predicted.join(latest, on=KEY)
    return rows.with_columns(label_known_time=pl.max_horizontal("label_known_time", known))
'''


def views_source(case: SmallDeclaration) -> str:
    """Return the Feast declarations."""
    keys = list(dict.fromkeys(key for table in case.tables.values() for key in table.keys))
    kinds = {key: t.kind(key) for t in case.tables.values() for key in t.keys}
    entities = [f"key_{n} = declare.{_KEYS[kinds[key]]}({key!r})" for n, key in enumerate(keys)]
    views = [
        f"view_{number} = {_view_declaration(case, name, table, keys)}"
        for number, (name, table) in enumerate(case.tables.items())
    ]
    served = ", ".join(f"view_{number}" for number in range(len(views)))
    lines = [
        "from feast import FeatureService",
        "from feature_repo import declare",
        *entities,
        *views,
        f"service = FeatureService(name={f'{case.name}_v1'!r}, features=[{served}])",
    ]
    return "\n".join(lines) + "\n"


def suites_source(case: SmallDeclaration) -> str:
    """Return the suites: rows, no future, and the rules of each table."""
    suites = []
    for name, table in case.tables.items():
        least = "some_rows(100_000)" if table.known_from else ""
        least = least or f"*lands({table.known_time!r}, 100_000, as_of)"
        rules = "".join(f", {rule}" for rule in table.rules)
        suites.append(f"def {name}(as_of):\n    return [{least}{rules}]\n")
    return "from expectations.rules import *\n\n\n" + "\n\n".join(suites)


def _table_yaml(name: str, table: SmallTable) -> dict[str, Any]:
    times = {"event_time": table.event, "known_time": table.known_time}
    return {
        "files": f"{name}/*.{table.suffix}",
        "columns": dict(table.columns),
        "keys": list(table.keys),
        "suite": name,
        **({"known_from": table.known_from} if table.known_from else times),
        **table.yaml,
    }


def _view_source(case: SmallDeclaration, name: str, table: SmallTable) -> str:
    event = "_known" if table.known_from else table.event
    columns = ", ".join(map(repr, [*table.keys, *case.view_columns(table)]))
    return f"""def {name}(raw, start, end):
    rows = known_in(raw[{name!r}], {event!r}, {table.known_time!r}, start, end)
    return rows.select({columns}, "event_timestamp", "created_timestamp")
"""


def _view_declaration(case: SmallDeclaration, name: str, table: SmallTable, keys: list[str]) -> str:
    features = {
        argument: tuple(c for c in case.view_columns(table) if table.kind(c) == kind)
        for kind, argument in _ARGUMENTS.items()
    }
    entities = "".join(f"key_{keys.index(key)}, " for key in table.keys)
    arguments = "".join(f", {name}={columns!r}" for name, columns in features.items() if columns)
    return f"declare.view({name!r}, ({entities}), declare.FOREVER{arguments})"
