"""The feature module of a new use case: transforms.py and views.py."""

from __future__ import annotations

from datetime import timedelta

from tasks.scaffold.plan import InputColumn, ScaffoldPlan, TablePlan
from tasks.scaffold.source_text import call, doc, names, quoted

_TRANSFORMS = '''"""Feature tables, spine and label of {name}, as polars over the raw tables.

A baseline to begin with: a view gives the newest row of its table, and a row of {subject} is
predicted as soon as it is known. Every view gives the rows that became known in [start, end), and
a row uses only what was known at its `created_timestamp`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime{timedelta}

import polars as pl

{helpers}

Raw = Mapping[str, pl.LazyFrame]

KEY = {key}
{after}

{views}


def spine(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
    """The rows of {subject} with start <= prediction_time < end, each once."""
{first}
    asked = asked.with_columns(prediction_time=pl.col({known}))
    asked = asked.filter(pl.col("prediction_time") >= start, pl.col("prediction_time") < end)
{spine}


def labels(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
{what}
    rows = raw["{table}"].drop_nulls({column})
    told = newest(rows, KEY, {told})
{told_select}
    asked = spine(raw, start, end).select(*KEY, "prediction_time")
    known = pl.max_horizontal("told", {asked})
    rows = asked.join(told, on=KEY, how="inner").with_columns(label_known_time=known)
    return rows.select(*KEY, "prediction_time", "{label}", "label_known_time")
'''

_AFTER = '''LABEL_AFTER = {span!r}
"""A label is known no sooner than this after its prediction."""
'''

_VIEW = """def {name}(raw: Raw, start: datetime, end: datetime) -> pl.LazyFrame:
{doc}
{rows}
{select}"""

_VIEWS = '''"""Feast's side of {name}: entities, a source and a view per feature table, one service.

A view's ttl is how old its newest row may be before it tells nothing: say so where rows age. A
change of what the model sees is a new service, {name}_v2, beside the old one.
"""

from feast import FeatureService

{imports}

{entities}

{views}

{service}
'''


def write_transforms(plan: ScaffoldPlan) -> str:
    """feature_repo/<name>/transforms.py."""
    label, told = plan.label, plan.tables[plan.label.table]
    used = {"first", "known_in", "newest"}
    used |= {"days_since"} if any(i.kind == "time" for t in plan.views for i in t.inputs) else set()
    after = _AFTER.format(span=_Span(label.after)) if label.after else ""
    answered = 'pl.col("prediction_time") + LABEL_AFTER' if label.after else '"prediction_time"'
    return _TRANSFORMS.format(
        name=plan.name,
        subject=plan.subject.name,
        timedelta=", timedelta" if label.after else "",
        helpers=call("from feature_repo.baseline import ", sorted(used), ""),
        key=names(plan.subject.keys),
        after=after,
        views="\n\n\n".join(_view(table) for table in plan.views),
        known=quoted(plan.subject.known),
        spine=_select("asked", [*plan.asked, "prediction_time"], {}),
        first=call("    asked = first(", [_raw(plan.subject), "KEY", quoted(plan.subject.known)]),
        what=doc(f"{_said(plan)} of what is predicted in [start, end); the newest row counts."),
        table=told.name,
        column=quoted(label.column),
        told=quoted(told.known),
        label=label.name,
        told_select=call(
            "    told = told.select(",
            ["*KEY", f"{label.name}={_value(plan)}", f"told={quoted(told.known)}"],
        ),
        asked=answered,
    )


def write_views(plan: ScaffoldPlan) -> str:
    """feature_repo/<name>/views.py."""
    types = plan.subject.sample.columns
    keys = list(dict.fromkeys(column for table in plan.views for column in table.join))
    made = {key: f"{types[key]}_key" for key in keys}
    imports = sorted({"FOREVER", "view", *made.values()})
    return _VIEWS.format(
        name=plan.name,
        imports=call("from feature_repo.declare import ", imports, ""),
        entities="\n".join(f'{key}_key = {made[key]}("{key}")' for key in keys),
        views="\n".join(_declared(table) for table in plan.views),
        service=call(
            f"{plan.name}_v1 = FeatureService(",
            [
                f'name="{plan.name}_v1"',
                f"features=[{', '.join(f'{table.name}_view' for table in plan.views)}]",
            ],
        ),
    )


def _view(table: TablePlan) -> str:
    how = f"when `{table.known}` says"
    if table.known_from:
        how = "from the day that the YAML says"
    same = [each.column for each in table.inputs if each.name == each.column]
    others = {each.name: _expression(each) for each in table.inputs if each.name != each.column}
    columns = [*table.join, *same, "event_timestamp", "created_timestamp"]
    return _VIEW.format(
        name=table.name,
        doc=doc(f"By {', '.join(table.join)}: the newest row of {table.name}. Known {how}."),
        rows=call(
            "    rows = known_in(",
            [_raw(table), quoted(table.event), quoted(table.known), "start", "end"],
        ),
        select=_select("rows", columns, others),
    )


def _raw(table: TablePlan) -> str:
    return f'raw["{table.name}"]'


def _said(plan: ScaffoldPlan) -> str:
    label = plan.label
    return f"`{label.column}`" + (f" is {label.positive}" if label.positive else "")


def _expression(each: InputColumn) -> str:
    return f"days_since({quoted(each.column)})" if each.kind == "time" else quoted(each.column)


def _select(rows: str, columns: list[str], others: dict[str, str]) -> str:
    parts = [*(quoted(column) for column in columns), *(f"{k}={v}" for k, v in others.items())]
    return call(f"    return {rows}.select(", parts)


def _value(plan: ScaffoldPlan) -> str:
    """The label's column as 0 and 1, as a number, or as the name of a class."""
    label = plan.label
    column = f"pl.col({quoted(label.column)})"
    if not label.positive:
        types = {"regression": "Float64", "multiclass": "String", "binary": "Int8"}
        return f"{column}.cast(pl.{types[label.kind]})"
    text = plan.tables[label.table].sample.columns[label.column] == "text"
    return f"({column} == {quoted(label.positive) if text else label.positive}).cast(pl.Int8)"


def _declared(table: TablePlan) -> str:
    kinds = {
        "numbers": ("number", "time"),
        "counts": ("integer",),
        "texts": ("text",),
        "flags": ("boolean",),
    }
    parts = [quoted(table.name), names([f"{key}_key" for key in table.join]).replace('"', "")]
    parts.append("FOREVER")
    lines = [f"    {part}," for part in parts]
    for field, types in kinds.items():
        features = [each.name for each in table.inputs if each.kind in types]
        if features:
            parts.append(f"{field}={names(features)}")
            exploded = len(f"    {parts[-1]},") > 100
            lines.append(
                call(f"    {field}=(", [quoted(f) for f in features], "),")
                if exploded
                else f"    {parts[-1]},"
            )
    line = f"{table.name}_view = view({', '.join(parts)})"
    return line if len(line) <= 100 else "\n".join([f"{table.name}_view = view(", *lines, ")"])


class _Span:
    """A timedelta as it is written in a module."""

    def __init__(self, span: timedelta) -> None:
        self._minutes = int(span.total_seconds() // 60)

    def __repr__(self) -> str:
        for unit, size in (("days", 1440), ("hours", 60)):
            if self._minutes % size == 0:
                return f"timedelta({unit}={self._minutes // size})"
        return f"timedelta(minutes={self._minutes})"
