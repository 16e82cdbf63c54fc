"""Column types guessed from a sample."""

import polars as pl
import pytest

from configs.schema.landed import CsvFormat
from tasks.scaffold.column_types import guess_column
from tasks.scaffold.sample_format import detect_layout, detect_values


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", None, "-2"], "integer"),
        (["1", "2.5"], "number"),
        (["1.0", "2.0"], "number"),
        (["007", "008"], "text"),
        (["0.5", "0"], "number"),
        (["True", "false"], "boolean"),
        (["2024-01-31", "2024-02-01 10:00:00"], "time"),
        (["31.01.2024", "01.02.2024"], "time"),
        (["20240131", "20240201"], "time"),
        (["03/04/2024"], "text"),
        (["99999999999999999999"], "text"),
        (["10:30", "11:00"], "text"),
        (["1.2.3", "1.2.4"], "text"),
        ([None], "text"),
    ],
)
def test_the_narrowest_type_that_holds_all(values, kind):
    found = guess_column("size", pl.Series(values, dtype=pl.String), CsvFormat())
    assert found is not None
    assert found.type == kind


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("order_id", [1.0, 2.0], "integer"),
        ("weight", [1.0, 2.0], "number"),
        ("sent_at", [1704067200, 1704153600], "time"),
        ("order", [1704067200, 1704153600], "integer"),
    ],
)
def test_a_name_tells_an_id_or_a_time(name, values, kind):
    found = guess_column(name, pl.Series(values), CsvFormat())
    assert found is not None
    assert found.type == kind


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a,b\n1,2\n", {}),
        ("a;b\n1;2,5\n", {"separator": ";", "decimal": ","}),
        ("a;b\nx;1.234,5\nx;2,5\n", {"separator": ";", "decimal": ",", "thousands": "."}),
        ('a,b\nx,"1,234.5"\nx,"12.5"\n', {"thousands": ","}),
        ("a|b\n1|x, y; z\n", {"separator": "|"}),
        ('a,b\n"x \\"y\\"",1\n', {"escape": "\\"}),
        ("a,b\nNA,1\n2,NULL\n", {"nulls": ("NA", "NULL")}),
        ("a,b\nNA,x\nFR,y\n", {}),
        ("a,b\n-,2024-01-01\n3,?\n", {"nulls": ("-", "?")}),
    ],
)
def test_how_a_csv_is_written_is_recognised(text, options):
    layout = detect_layout(text.encode())
    from tasks.ingestion.parsing.csv_reader import read_csv

    found = detect_values(read_csv(text.encode(), "a.csv", layout), layout)
    assert found.model_dump(exclude_defaults=True) == options
