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


def odd_row(parcel: str = "A", weight: str = "2.5", items: str = "1", sent: str = TEN) -> str:
    return f"{parcel},{weight},{items},{sent}"


def odd_csv(*lines: str, end: str = "\n", between: str = "\n", header: str = HEADER) -> bytes:
    return (between.join([header, *lines]) + end).encode()


@pytest.mark.parametrize(
    ("content", "column", "values"),
    [
        (odd_csv(odd_row(), odd_row("B"), between="\r\n", end="\r\n"), "parcel", ["A", "B"]),
        (odd_csv(odd_row(), odd_row("B"), between="\r", end="\r"), "parcel", ["A", "B"]),
        (f"{HEADER}\r\n{odd_row()}\n{odd_row('B')}\r\n".encode(), "parcel", ["A", "B"]),
        (odd_csv(odd_row() + ",", odd_row("B") + ",", header=HEADER + ","), "parcel", ["A", "B"]),
        (odd_csv(odd_row(), "", "", odd_row("B"), ""), "parcel", ["A", "B"]),
        (odd_csv(odd_row(), odd_row("B"), end=""), "parcel", ["A", "B"]),
        (odd_csv(odd_row('"A\nB"'), odd_row("C")), "parcel", ["A\nB", "C"]),
        (odd_csv(odd_row("A\u2028B"), odd_row("“C”")), "parcel", ["A\u2028B", "“C”"]),
        (odd_csv(odd_row("📦"), odd_row("📦🏽"), odd_row("é"), odd_row("e\u0301")), "parcel",
         ["📦", "📦🏽", "é", "e\u0301"]),
        (odd_csv(odd_row("  "), odd_row(" A")), "parcel", ["  ", " A"]),
        (odd_csv(odd_row("x" * 1_000_000)), "parcel", ["x" * 1_000_000]),
        (odd_csv(odd_row("007")), "parcel", ["007"]),
        (odd_csv(odd_row(weight="1E1"), odd_row(weight=".5"), odd_row(weight="5.")),
         "weight", [10.0, 0.5, 5.0]),
        (odd_csv(odd_row(weight="1e-400"), odd_row(weight="-inf"), odd_row(weight="NaN")), "weight",
         [0.0, float("-inf"), None]),
        (odd_csv(odd_row(items="+5"), odd_row(items=str(2**63 - 1)), odd_row(items="-3.")), "items",
         [5, 9223372036854775807, -3]),
        (b"\xef\xbb\xbf" + odd_csv(odd_row()), "parcel", ["A"]),
        (odd_csv(odd_row(sent="2024-03-01T10:00:00.123456789Z")), "sent",
         [datetime(2024, 3, 1, 10, 0, 0, 123456, tzinfo=UTC)]),
        (odd_csv(odd_row(sent="2024-03-02T00:00:00+14:00")), "sent",
         [datetime(2024, 3, 1, 10, tzinfo=UTC)]),
        (odd_csv(), "parcel", []),
    ],
)  # fmt: skip
def test_an_odd_file_is_read_exactly(content: bytes, column: str, values: list[object]) -> None:
    assert parse_file(content, "a.csv", TABLE)[column].to_list() == values


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (odd_csv(odd_row() + ","), "row 2 .* has 5 fields, the header has 4"),
        (odd_csv(odd_row(), "   ", odd_row("B")), "row 3 .* has 1 fields"),
        (odd_csv(odd_row(), "B,2.5", end=""), "row 3 .* has 2 fields"),
        (b"# made by x\n" + odd_csv(odd_row()), "column parcel, .* is missing .*# made by x"),
        (b"Report of parcels\n" + odd_csv(odd_row()), "columns found: Report of parcels"),
        (b"sep=,\n" + odd_csv(odd_row()), "columns found: sep="),
        (odd_csv(odd_row(), header=HEADER.upper()), "columns found: PARCEL"),
        (
            odd_csv(odd_row(), header=HEADER.replace("items", "weight")),
            "column items is missing",
        ),
        (
            odd_csv(odd_row(), header=HEADER.replace("weight", "items")),
            "column weight is missing",
        ),
        (odd_csv(odd_row(), HEADER, odd_row("B")), "column weight .* row 2 of 3 holds 'weight'"),
        (odd_csv(odd_row("A\0")), "line 2 holds zero bytes"),
        (odd_csv(odd_row()) + b"\0\0\0", "line 3 holds zero bytes"),
        (odd_csv(odd_row()) + b"\x1a", r"row 3 .* has 1 fields.*x1a"),
        (odd_csv(odd_row(weight="2\u00a0500")), "column weight"),
        (odd_csv(odd_row(weight="25%")), "holds '25%'"),
        (odd_csv(odd_row(weight="$2.5")), "column weight"),
        (odd_csv(odd_row(weight="(2.5)")), "column weight"),
        (odd_csv(odd_row(weight="#DIV/0!")), "holds '#DIV/0!'"),
        (odd_csv(odd_row(weight="n.a.")), "holds 'n.a.'"),
        (odd_csv(odd_row(weight="NULL")), r"add csv: \{nulls: \['NULL'\]\}"),
        (odd_csv(odd_row(weight="1e400")), "column weight"),
        (odd_csv(odd_row(weight="1d2")), "column weight"),
        (odd_csv(odd_row(items="0x10")), "column items"),
        (odd_csv(odd_row(items="1_000")), "column items"),
        (odd_csv(odd_row(items="٣")), "column items"),
        (odd_csv(odd_row(items="9223372036854775808")), "declare it as text"),
        (odd_csv(odd_row(items="9007199254740993.5")), "column items"),
        (odd_csv(odd_row(sent="45352.4166")), "column sent"),
        (odd_csv(odd_row(sent="2024-03-01T24:00:00Z")), "column sent"),
        (odd_csv(odd_row(sent="2016-12-31T23:59:60Z")), "column sent"),
        (odd_csv(odd_row(sent="2023-02-29")), "column sent"),
        (odd_csv(odd_row(sent="0000-00-00 00:00:00")), "column sent"),
        (odd_csv(odd_row(sent="10000-01-01T00:00:00Z")), "column sent"),
        (odd_csv(odd_row(sent="2024-03-01 10:00:00 CET")), "column sent"),
        (odd_csv(odd_row(sent="2024-03-01T10:00:00+25:00")), "column sent"),
        (odd_csv(odd_row(sent='"Fri, 01 Mar 2024 10:00:00 GMT"')), "column sent"),
        (odd_csv(odd_row("Köln")).decode().encode("latin-1"), "line 2 is not utf-8"),
        (odd_csv(odd_row()) + b"\xed\xa0\x80,1,1,\n", "line 3 is not utf-8"),
        (odd_csv(odd_row()).decode().encode("utf-16-le"), "encoding: utf-16"),
        (odd_csv(odd_row()).decode().encode("utf-32"), "zero bytes"),
        (b"\xef\xbb\xbf" * 2 + odd_csv(odd_row()), "column parcel is missing"),
        (odd_csv(odd_row('5" box')), "a quote neither begins nor ends"),
        (odd_csv(odd_row('"A'), odd_row("B"), odd_row("C")), "a quote neither begins nor ends"),
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
