"""Samples of many shapes for `mainspring new`: how other programs write the same parcels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

ROWS = 400
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
Write = Callable[[pl.DataFrame, Path], None]


@dataclass(frozen=True)
class Shape:
    """A sample and its flags; `error` is a part of the sentence by which it is refused."""

    write: Write
    flags: Mapping[str, object] = field(default_factory=dict)
    error: str = ""


def make_parcels() -> pl.DataFrame:
    """Parcels, three a day, with a key, two inputs, a time and a label."""
    random = np.random.default_rng(3)
    start = datetime(2024, 1, 1, 0, 30, tzinfo=UTC)
    return pl.DataFrame(
        {
            "parcel": [f"P{number:05}" for number in range(ROWS)],
            "depot": random.choice(["north", "south", "east"], ROWS),
            "weight": np.round(random.uniform(0.5, 30, ROWS), 1),
            "items": random.integers(1, 9, ROWS),
            "sent": [start + timedelta(hours=8 * number) for number in range(ROWS)],
            "damaged": random.integers(0, 2, ROWS),
        }
    )


def csv_of(
    *columns: pl.Expr, time: str = TIME_FORMAT, name: str = "parcels.csv", **options: object
) -> Write:
    """Write a CSV with some columns changed."""

    def write(rows: pl.DataFrame, folder: Path) -> None:
        changed = rows.with_columns(*columns)
        changed.write_csv(folder / name, datetime_format=time, **options)  # type: ignore[arg-type]

    return write


def text_of(change: Callable[[str], str], encoding: str = "utf-8", **options: object) -> Write:
    """Write a CSV whose text is changed as a whole."""

    def write(rows: pl.DataFrame, folder: Path) -> None:
        text = change(rows.write_csv(datetime_format=TIME_FORMAT, **options))  # type: ignore[call-overload]
        (folder / "parcels.csv").write_bytes(text.encode(encoding))

    return write


def parquet_of(*columns: pl.Expr) -> Write:
    """Write a Parquet file with some columns changed or added."""
    return lambda rows, folder: rows.with_columns(*columns).write_parquet(
        folder / "parcels.parquet"
    )


def renamed(**names: str) -> Write:
    """Write a CSV with columns of other names."""
    return lambda rows, folder: csv_of()(rows.rename(names), folder)


def write_shape(rows: pl.DataFrame, folder: Path) -> None:
    for number in range(4):
        rows[number * 100 : number * 100 + 100].write_parquet(folder / f"parcels-{number}.parquet")


def decimal_commas(text: str) -> str:
    """Return a CSV with semicolons, and commas in the third column's numbers."""
    rows = [line.split(",") for line in text.splitlines()]
    return "\n".join(";".join([*row[:2], row[2].replace(".", ","), *row[3:]]) for row in rows)


def with_numbers_first(text: str) -> str:
    """Return a CSV with a first column of row numbers that has no name, as pandas writes it."""
    lines = text.splitlines()
    return "\n".join([f",{lines[0]}", *(f"{n},{line}" for n, line in enumerate(lines[1:]))])


def missing_as(text: str) -> Write:
    weight = EVERY_20TH.then(pl.lit(text)).otherwise(pl.col("weight").cast(pl.String))
    return csv_of(weight.alias("weight"))


EVERY_20TH = pl.when(pl.int_range(pl.len()) % 20 == 0)
NAN = EVERY_20TH.then(float("nan")).otherwise("weight").alias("weight")
OURS = {"parcel": "run_id", "weight": "score", "items": "position", "depot": "prediction_time"}
AT = pl.col("sent")
SHAPES: dict[str, Shape] = {
    "usual": Shape(csv_of()),
    "names": Shape(
        renamed(parcel="Parcel ID", depot="Dépôt", weight="Total Weight", items="From",
                damaged="Class"),
        {"label": "parcels.Class"},
    ),
    "camel case": Shape(renamed(parcel="customerID", weight="totalWeight")),
    "equal but for case": Shape(renamed(items="Weight")),
    "ours": Shape(renamed(**OURS)),
    "keywords": Shape(renamed(parcel="class", weight="lambda", items="None", depot="_file")),
    "other letters": Shape(renamed(weight="重量", items="5 items", depot="😀")),
    "semicolons": Shape(text_of(decimal_commas, "cp1252")),
    "utf-16": Shape(text_of(str, "utf-16")),
    "tabs": Shape(csv_of(name="parcels.tsv", separator="\t")),
    "capitals": Shape(csv_of(name="PARCELS.CSV"), {"tables": "PARCELS.CSV"}),
    "backslashes": Shape(text_of(lambda text: text.replace("north", '"14\\" box, \\"north\\""'))),
    "NA": Shape(missing_as("NA")),
    "backslash N": Shape(missing_as("\\N")),
    "a dash": Shape(missing_as("-")),
    "Postgres": Shape(csv_of(time="%Y-%m-%d %H:%M:%S+00")),
    "spreadsheet": Shape(csv_of(time="%d/%m/%Y %H:%M")),
    "American": Shape(csv_of(time="%m/%d/%Y %I:%M:%S %p")),
    "epoch": Shape(csv_of(AT.dt.epoch("ms").alias("sent"))),
    "epoch in Parquet": Shape(parquet_of(AT.dt.epoch("s").alias("sent"))),
    "NaN": Shape(parquet_of(NAN)),
    "all NaN": Shape(parquet_of(pl.lit(float("nan")).alias("weight"))),
    "all null": Shape(parquet_of(pl.lit(None, pl.Float64).alias("weight"))),
    "lists": Shape(parquet_of(pl.concat_list("items", "items").alias("tags"))),
    "structs": Shape(parquet_of(pl.struct("items", "depot").alias("geo"))),
    "decimal ids": Shape(parquet_of(
        pl.int_range(pl.len()).cast(pl.Decimal(38, 0)).alias("parcel")
    )),
    "huge ids": Shape(csv_of(
        (pl.lit("9223372036854775") + pl.col("parcel").str.slice(1).str.zfill(8)).alias("parcel")
    )),
    "leading zeros": Shape(csv_of(pl.col("parcel").str.slice(1).alias("parcel"))),
    "categories": Shape(parquet_of(pl.col("depot").cast(pl.Categorical))),
    "dates": Shape(parquet_of(AT.dt.date().alias("day"))),
    "floats for whole numbers": Shape(csv_of(pl.col("items").cast(pl.Float64))),
    "several files": Shape(write_shape, {"tables": "parcels-*.parquet"}),
    "wide": Shape(csv_of(*(pl.col("weight").shuffle(n).alias(f"w {n}") for n in range(150)))),
    "durations": Shape(parquet_of((AT - AT.min()).alias("since"))),
    "unnamed first column": Shape(text_of(with_numbers_first)),
    "no time": Shape(csv_of(pl.col("depot").alias("sent")), error="the table has no time"),
    "ambiguous times": Shape(
        lambda rows, folder: csv_of(time="%d/%m/%Y")(
            rows.with_columns(sent=pl.lit(datetime(2024, 3, 4, tzinfo=UTC))), folder
        ),
        error="ambiguous form: sent",
    ),
    "no key": Shape(
        lambda rows, folder: csv_of()(rows.select(pl.all().first().repeat_by(9).explode()), folder),
        error="--keys parcels=… is missing",
    ),
    "no rows": Shape(lambda rows, folder: csv_of()(rows.clear(), folder), error="no rows"),
    "empty": Shape(text_of(lambda _: ""), error="the file is empty"),
    "cut short": Shape(text_of(lambda text: text + "P1,north"), error="fields"),
    "no label": Shape(renamed(damaged="broken"), error="--label parcels.damaged"),
}  # fmt: skip
