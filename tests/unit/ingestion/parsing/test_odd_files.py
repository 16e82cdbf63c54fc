"""Files as other programs and people leave them: read exactly, or refused with what to do."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from configs.errors import RefusedBatch
from configs.schema.data import Table
from tasks.ingestion.parsing.file_schema import parse_file

TABLE = Table.model_validate(
    {
        "files": "*.csv",
        "columns": {"parcel": "text", "weight": "number", "items": "integer", "sent": "time"},
        "keys": ["parcel"], "event_time": "sent", "known_time": "sent", "suite": "any",
    }
)  # fmt: skip
HEADER, TEN = "parcel,weight,items,sent", "2024-03-01T10:00:00Z"
WAYS_OUT = r"land it again|land the file|in the YAML|add |declare it|state "


def line(parcel: str = "A", weight: str = "2.5", items: str = "1", sent: str = TEN) -> str:
    return f"{parcel},{weight},{items},{sent}"


def file(*lines: str, end: str = "\n", between: str = "\n", header: str = HEADER) -> bytes:
    return (between.join([header, *lines]) + end).encode()


@pytest.mark.parametrize(
    ("content", "column", "values"),
    [
        (file(line(), line("B"), between="\r\n", end="\r\n"), "parcel", ["A", "B"]),
        (file(line(), line("B"), between="\r", end="\r"), "parcel", ["A", "B"]),
        (f"{HEADER}\r\n{line()}\n{line('B')}\r\n".encode(), "parcel", ["A", "B"]),
        (file(line() + ",", line("B") + ",", header=HEADER + ","), "parcel", ["A", "B"]),
        (file(line(), "", "", line("B"), ""), "parcel", ["A", "B"]),
        (file(line(), line("B"), end=""), "parcel", ["A", "B"]),
        (file(line('"A\nB"'), line("C")), "parcel", ["A\nB", "C"]),
        (file(line("A\u2028B"), line("“C”")), "parcel", ["A\u2028B", "“C”"]),
        (file(line("📦"), line("📦🏽"), line("é"), line("e\u0301")), "parcel",
         ["📦", "📦🏽", "é", "e\u0301"]),
        (file(line("  "), line(" A")), "parcel", ["  ", " A"]),
        (file(line("x" * 1_000_000)), "parcel", ["x" * 1_000_000]),
        (file(line("007")), "parcel", ["007"]),
        (file(line(weight="1E1"), line(weight=".5"), line(weight="5."), line(weight="-0")),
         "weight", [10.0, 0.5, 5.0, 0.0]),
        (file(line(weight="1e-400"), line(weight="-inf"), line(weight="NaN")), "weight",
         [0.0, float("-inf"), None]),
        (file(line(items="+5"), line(items="9223372036854775807"), line(items="-3.0")), "items",
         [5, 9223372036854775807, -3]),
        (b"\xef\xbb\xbf" + file(line()), "parcel", ["A"]),
        (file(line(sent="2024-03-01T10:00:00.123456789Z")), "sent",
         [datetime(2024, 3, 1, 10, 0, 0, 123456, tzinfo=UTC)]),
        (file(line(sent="2024-03-02T00:00:00+14:00")), "sent",
         [datetime(2024, 3, 1, 10, tzinfo=UTC)]),
        (file(), "parcel", []),
    ],
)  # fmt: skip
def test_an_odd_file_is_read_exactly(content: bytes, column: str, values: list[object]) -> None:
    assert parse_file(content, "a.csv", TABLE)[column].to_list() == values


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (file(line() + ","), "row 2 .* has 5 fields, the header has 4"),
        (file(line(), "   ", line("B")), "row 3 .* has 1 fields"),
        (file(line(), "B,2.5", end=""), "row 3 .* has 2 fields"),
        (b"# made by x\n" + file(line()), "column parcel, .* is missing .*# made by x"),
        (b"Report of parcels\n" + file(line()), "columns found: Report of parcels"),
        (b"sep=,\n" + file(line()), "columns found: sep="),
        (file(line(), header=HEADER.upper()), "columns found: PARCEL"),
        (file(line(), header=HEADER.replace("items", "weight")), "column items is missing"),
        (file(line(), header=HEADER.replace("weight", "items")), "column weight is missing"),
        (file(line(), HEADER, line("B")), "column weight .* row 2 of 3 holds 'weight'"),
        (file(line("A\0")), "line 2 holds zero bytes"),
        (file(line()) + b"\0\0\0", "line 3 holds zero bytes"),
        (file(line()) + b"\x1a", r"row 3 .* has 1 fields.*x1a"),
        (file(line(weight="2\u00a0500")), "column weight"),
        (file(line(weight="25%")), "holds '25%'"),
        (file(line(weight="$2.5")), "column weight"),
        (file(line(weight="(2.5)")), "column weight"),
        (file(line(weight="#DIV/0!")), "holds '#DIV/0!'"),
        (file(line(weight="n.a.")), "holds 'n.a.'"),
        (file(line(weight="NULL")), r"add csv: \{nulls: \['NULL'\]\}"),
        (file(line(weight="1e400")), "column weight"),
        (file(line(weight="1d2")), "column weight"),
        (file(line(items="0x10")), "column items"),
        (file(line(items="1_000")), "column items"),
        (file(line(items="٣")), "column items"),
        (file(line(items="9223372036854775808")), "declare it as text"),
        (file(line(items="9007199254740993.5")), "column items"),
        (file(line(sent="45352.4166")), "column sent"),
        (file(line(sent="2024-03-01T24:00:00Z")), "column sent"),
        (file(line(sent="2016-12-31T23:59:60Z")), "column sent"),
        (file(line(sent="2023-02-29")), "column sent"),
        (file(line(sent="0000-00-00 00:00:00")), "column sent"),
        (file(line(sent="10000-01-01T00:00:00Z")), "column sent"),
        (file(line(sent="2024-03-01 10:00:00 CET")), "column sent"),
        (file(line(sent="2024-03-01T10:00:00+25:00")), "column sent"),
        (file(line(sent='"Fri, 01 Mar 2024 10:00:00 GMT"')), "column sent"),
        (file(line("Köln")).decode().encode("latin-1"), "line 2 is not utf-8"),
        (file(line()) + b"\xed\xa0\x80,1,1,\n", "line 3 is not utf-8"),
        (file(line()).decode().encode("utf-16-le"), "encoding: utf-16"),
        (file(line()).decode().encode("utf-32"), "zero bytes"),
        (b"\xef\xbb\xbf" * 2 + file(line()), "column parcel is missing"),
        (file(line('5" box')), "a quote neither begins nor ends"),
        (file(line('"A'), line("B"), line("C")), "a quote neither begins nor ends"),
        (b"<html><body>502 Bad Gateway</body></html>", "columns found: <html>"),
        (b'[{"parcel": "A"}]', "line 1: a quote"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"\n\n", "the file is empty"),
    ],
)
def test_an_odd_file_is_refused_with_what_to_do(content: bytes, reason: str) -> None:
    with pytest.raises(RefusedBatch, match=rf"^a\.csv: (?s:.*){reason}") as refused:
        parse_file(content, "a.csv", TABLE)
    assert re.search(WAYS_OUT, str(refused.value))
