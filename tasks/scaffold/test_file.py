"""The test of a new use case, and the rows of the sample that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

import polars as pl

from tasks.scaffold.plan import ScaffoldPlan, TablePlan
from tasks.scaffold.source_text import doc
from tasks.scaffold.time_spans import TimeSpans

ROWS = 200
"""Rows of each table's sample that are kept for the test."""
_TEST = """{title}

from datetime import UTC, datetime

from tests.support.trial import Trial

START = datetime({start}, tzinfo=UTC)
END = datetime({end}, tzinfo=UTC)


def test_the_sample_goes_all_the_way_to_a_training_set(home):
    trial = Trial("{name}", START, END)
    assert trial.refused() == []
    assert trial.quarantined() == {{}}
    assert trial.wrong() == []
    rows = trial.training_set()
    assert rows.height == {labelled}
    assert rows.select(trial.use_case.features.inputs).height == rows.height
"""


def write_test_file(plan: ScaffoldPlan, spans: TimeSpans) -> str:
    """tests/use_cases/test_<name>.py."""
    title = f"The use case {plan.name} holds, and its sample goes all the way to a training set."
    return _TEST.format(
        title=doc(title, ""),
        start=f"{spans.start:%Y, %-m, %-d}",
        end=f"{spans.end:%Y, %-m, %-d}",
        name=plan.name,
        labelled=_labelled(plan),
    )


def sample_rows_of(plan: ScaffoldPlan) -> dict[str, bytes]:
    """Of each table a file with the rows that the first ones of the predicted table look up."""
    kept = _kept(plan)
    return {
        f"{name}.{plan.tables[name].sample.suffix}": _written(rows, plan.tables[name])
        for name, rows in kept.items()
    }


def _kept(plan: ScaffoldPlan) -> dict[str, pl.DataFrame]:
    asked = plan.subject.sample.rows.head(ROWS)
    kept = {}
    for name, table in plan.tables.items():
        by = list(table.join or plan.subject.keys)
        rows = table.sample.rows
        near = rows.join(asked, on=by, how="semi", maintain_order="left").head(ROWS)
        kept[name] = (
            asked if name == plan.subject.name else (rows.head(ROWS), near)[near.height > 0]
        )
    return kept


def _labelled(plan: ScaffoldPlan) -> int:
    """How many of the kept rows have a label."""
    kept: Mapping[str, pl.DataFrame] = _kept(plan)
    told = kept[plan.label.table].drop_nulls(plan.label.column)
    keys = list(plan.subject.keys)
    return kept[plan.subject.name].unique(keys).join(told, on=keys, how="semi").height


def _written(rows: pl.DataFrame, table: TablePlan) -> bytes:
    out = BytesIO()
    if table.sample.suffix == "csv":
        rows.write_csv(out, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")
    else:
        rows.write_parquet(out)
    return out.getvalue()
