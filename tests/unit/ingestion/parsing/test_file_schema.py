from datetime import UTC, datetime
from io import BytesIO

import polars as pl
import pytest

from configs.errors import RefusedBatch
from configs.schema.data import Table
from tasks.ingestion.parsing.file_schema import lake_schema, parse_file

TABLE = Table.model_validate(
    {
        "files": "*.csv",
        "columns": {"at": "time", "share": "number", "n": "integer", "ok": "boolean", "id": "text"},
        "keys": ["id"],
        "event_time": "at",
        "known_time": "at",
        "suite": "any",
    }
)
SIX = datetime(2013, 1, 1, 6, tzinfo=UTC)


def csv(*lines: str) -> bytes:
    return "\n".join(["at,share,n,ok,id", *lines]).encode()


def parquet(**columns: pl.Series) -> bytes:
    out = BytesIO()
    rows = pl.DataFrame({"at": [SIX], "share": [0.5], "n": [1], "ok": [True], "id": ["a"]})
    rows.with_columns(**columns).write_parquet(out)
    return out.getvalue()


def test_csv_is_read_into_the_types_of_the_lake() -> None:
    rows = parse_file(
        csv(
            "2013-01-01T06:00:00Z,1e3,5,True,007", "2013-01-01 08:00:00+02:00,NaN,,,", ",,,false,x"
        ),
        "a.csv",
        TABLE,
    )
    assert rows.schema == lake_schema(TABLE)
    assert rows.rows() == [
        (SIX, 1000.0, 5, True, "007"),
        (SIX, None, None, None, None),
        (None, None, None, False, "x"),
    ]


def test_a_time_without_a_zone_is_utc() -> None:
    text = csv("2013-01-01T06:00:00,1,1,true,a", "2013-01-01 06:00:00,1,1,true,b")
    assert parse_file(text, "a.csv", TABLE)["at"].to_list() == [SIX, SIX]
    naive = parquet(at=pl.Series([SIX.replace(tzinfo=None)], dtype=pl.Datetime("ms")))
    assert parse_file(naive, "a.parquet", TABLE)["at"].to_list() == [SIX]


def test_parse_file_accepts_wider_parquet() -> None:
    changed = parquet(
        share=pl.Series([2], dtype=pl.Int16),
        n=pl.Series([2], dtype=pl.UInt8),
        id=pl.Series(["b"], dtype=pl.Categorical),
        ok=pl.Series([None], dtype=pl.Null),
        more=pl.Series([1]),
    )
    rows = parse_file(changed, "a.parquet", TABLE)
    assert rows.schema == lake_schema(TABLE)
    assert rows.row(0) == (SIX, 2.0, 2, None, "b")


def test_a_date_is_its_first_moment() -> None:
    midnight = SIX.replace(hour=0)
    assert parse_file(csv("2013-01-01,1,1,true,a"), "a.csv", TABLE)["at"].to_list() == [midnight]
    dates = parquet(at=pl.Series([SIX.date()]))
    assert parse_file(dates, "a.parquet", TABLE)["at"].to_list() == [midnight]


@pytest.mark.parametrize(
    ("line", "column", "value"),
    [
        ("2013-01-01T06,1,1,true,a", "at", "2013-01-01T06"),
        ("2013-01-01T06:00:00Z,high,1,true,a", "share", "high"),
        ("2013-01-01T06:00:00Z,1,1.5,true,a", "n", "1.5"),
        ("2013-01-01T06:00:00Z,1,1,yes,a", "ok", "yes"),
    ],
)
def test_a_value_of_another_type_refuses_the_file(line: str, column: str, value: str) -> None:
    good = "2013-01-01T06:00:00Z,1,1,true,a"
    with pytest.raises(RefusedBatch, match=f"a.csv: column {column} .* row 2 of 2 .*'{value}'"):
        parse_file(csv(good, line), "a.csv", TABLE)


def test_a_parquet_column_of_another_type_refuses_the_file() -> None:
    with pytest.raises(RefusedBatch, match="column id must hold text, but row 1 of 1 holds 7"):
        parse_file(parquet(id=pl.Series([7])), "a.parquet", TABLE)
    with pytest.raises(RefusedBatch, match="column n must hold whole numbers"):
        parse_file(parquet(n=pl.Series([1.5])), "a.parquet", TABLE)
    assert parse_file(parquet(n=pl.Series([1.0])), "a.parquet", TABLE)["n"].to_list() == [1]


def test_a_column_has_another_name_in_the_file() -> None:
    columns = {
        "customer_id": {"type": "text", "from": "customerID"},
        "of_class": {"type": "integer", "from": "Class (ä)"},
        "spot": {"type": "time", "from": "From", "format": "%d.%m.%Y", "zone": "Europe/Berlin"},
        "weight": {"type": "number", "from": "Total Weight", "nulls": ["-"]},
    }
    table = Table.model_validate(
        {"files": "*.csv.gz", "columns": columns, "keys": ["customer_id"], "known_from": SIX,
         "csv": {"separator": ";", "decimal": ",", "nulls": ["NA"]}, "suite": "any"}
    )  # fmt: skip
    text = "Class (ä);customerID;From;Total Weight\n1,0;NA;01.07.2024;-\nNA;x;NA;1,5\n"
    rows = parse_file(text.encode(), "a.csv", table)
    assert rows.columns == list(columns)
    first_of_july = datetime(2024, 6, 30, 22, tzinfo=UTC)
    assert rows.rows() == [(None, 1, first_of_july, None), ("x", None, None, 1.5)]


def test_missing_columns_are_named_with_those_that_are_there() -> None:
    with pytest.raises(
        RefusedBatch, match=r"a.csv: column ok, id is missing \(columns found: at, sha"
    ):
        parse_file(b"at,share,n\n", "a.csv", TABLE)


@pytest.mark.parametrize("content", [b"", parquet()[:-20], parquet()[:30], b"\n"])
def test_what_cannot_be_read_is_refused(content: bytes) -> None:
    path = "a.csv" if content in (b"", b"\n") else "a.parquet"
    with pytest.raises(RefusedBatch, match=r"a\.(csv|parquet): .*land it again"):
        parse_file(content, path, TABLE)
