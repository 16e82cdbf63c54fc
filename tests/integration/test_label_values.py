"""Values outside the label's set, in training and monitoring: left out, and told by name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from flows.cli.views.status import render_status
from tasks.features.retrieval import build_labels, read_known_labels
from tasks.models.registry import open_model
from tests.support.parcel_rows import APRIL, DAY, MARCH, PARCELS, parcel_rows
from tests.support.small_case import SmallCase, small_case
from tests.support.small_case_files import SmallLabel, SmallTable

COLOURS = ("blue", "green", "red")


def with_label(column: pl.Expr, odd: Any) -> pl.DataFrame:
    """Sixty days of parcels with a label `outcome`, and `odd` in every ninth row."""
    rows = parcel_rows(MARCH, days=60).with_columns(column.alias("outcome")).drop("damaged")
    is_odd = pl.int_range(pl.len()) % 9 == 0
    value = pl.lit(odd, dtype=rows.schema["outcome"])
    return rows.with_columns(outcome=pl.when(is_odd).then(value).otherwise("outcome"))


def story(folder: Path, rows: pl.DataFrame, label: SmallLabel) -> Iterator[SmallCase]:
    """Ingest, train, promote and score; yield the case while its state stands."""
    typed = {"binary": "integer", "multiclass": "text", "regression": "number"}[label.kind]
    columns = {k: v for k, v in PARCELS.columns.items() if k != "damaged"} | {"outcome": typed}
    tables = {"parcels": SmallTable(columns=columns, keys=("parcel",), suffix="parquet")}
    with small_case(folder, tables=tables, label=label) as parcels:
        parcels.land("spring", rows.filter(pl.col("sent") < APRIL))
        parcels.ingest(APRIL)
        parcels.train(APRIL)
        parcels.promote()
        parcels.land(
            "april", rows.filter(pl.col("sent") >= APRIL, pl.col("sent") < APRIL + 7 * DAY)
        )
        parcels.ingest(APRIL + 7 * DAY)
        parcels.score(APRIL + 7 * DAY, "7d")
        yield parcels


EVENT = ((pl.col("weight") > 7) | pl.col("fragile")).cast(pl.Int64)
COLOUR = pl.when(pl.col("weight") > 7).then(pl.lit("red")).when("fragile").then(
    pl.lit("green")).otherwise(pl.lit("blue"))  # fmt: skip


@pytest.mark.parametrize(
    ("label", "column", "odd", "named"),
    [
        (SmallLabel("outcome"), EVENT, 2, "2"),
        (SmallLabel("outcome"), EVENT, -1, "-1"),
        (SmallLabel("outcome", kind="multiclass", classes=COLOURS), COLOUR, "pink", "pink"),
        (SmallLabel("outcome", kind="multiclass", classes=COLOURS), COLOUR, "RED ", "RED "),
        (SmallLabel("outcome", kind="regression"), pl.col("weight") * 2, float("inf"), "inf"),
    ],
)  # fmt: skip
def test_another_value_ends_neither_training_nor_monitor(
    tmp_path: Path, label: SmallLabel, column: pl.Expr, odd: Any, named: str
) -> None:
    rows = with_label(column, odd)
    for parcels in story(tmp_path, rows, label):
        card = open_model("parcels", 1).card
        assert list(card.other_labels) == [named]
        assert card.other_labels[named] > 50
        measured = parcels.monitor(APRIL + 7 * DAY)
        told = measured.filter(pl.col("subject").str.starts_with("no_label:"))
        assert told["subject"].to_list() == [f"no_label:{named}"]
        assert told["verdict"].to_list() == ["inform"]
        known = build_labels(parcels.use_case, MARCH, APRIL, APRIL)
        assert known["outcome"].is_finite().all()
        console = Console(record=True, width=200)
        console.print(render_status(parcels.use_case, APRIL + 8 * DAY))
        assert f"outcome that are no label: {named!r} in" in console.export_text()


def test_a_label_that_is_taken_back_is_none_from_then_on(tmp_path: Path) -> None:
    columns = {**PARCELS.columns, "seen": "time"}
    table = SmallTable(columns=columns, keys=("parcel",), known="seen", suffix="parquet")
    rows = parcel_rows(MARCH, days=2).with_columns(seen=pl.col("sent") + timedelta(hours=1))
    later = rows.head(5).with_columns(
        damaged=pl.lit(None, pl.Int64), seen=pl.col("seen") + timedelta(days=10)
    )
    with small_case(tmp_path, tables={"parcels": table}) as parcels:
        parcels.land("first", rows)
        parcels.land("back", later)
        parcels.ingest(APRIL)
        span = (MARCH, MARCH + 3 * DAY)
        before = read_known_labels(parcels.use_case, *span, MARCH + 6 * DAY)
        after = read_known_labels(parcels.use_case, *span, MARCH + 20 * DAY)
        assert (before.rows.height, after.rows.height) == (64, 59)
        assert (before.other_values, after.other_values) == ({}, {})
