import csv
from io import StringIO

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.errors import RefusedBatch
from configs.schema.landed import CsvFormat
from tasks.ingestion.parsing.csv_reader import read_csv

ROWS = {"parcel": ["Ä1", "B"], "weight": ["2,5", "1"]}
TEXTS = st.text(st.sampled_from("ab ,;\"\\\n\r'é0"), max_size=6)


def csv_format(**options: object) -> CsvFormat:
    return CsvFormat.model_validate(options)


@pytest.mark.parametrize(
    ("content", "path", "options"),
    [
        ('parcel,weight\nÄ1,"2,5"\nB,1\n'.encode(), "a.csv", {}),
        ('\ufeffparcel,weight\r\nÄ1,"2,5"\r\nB,1\r\n'.encode(), "a.csv", {}),
        ('parcel,weight\nÄ1,"2,5"\nB,1\n'.encode("utf-16"), "a.csv", {}),
        ("parcel;weight\nÄ1;2,5\nB;1\n".encode("cp1252"), "a.csv",
         {"separator": ";", "encoding": "cp1252"}),
        ("parcel\tweight\nÄ1\t2,5\nB\t1\n".encode(), "A.TSV", {}),
        ("parcel\x01weight\nÄ1\x012,5\nB\x011".encode(), "a.csv", {"separator": "\x01"}),
        (" parcel , weight \nÄ1,'2,5'\nB,1\n".encode(), "a.csv", {"quote": "'"}),
        ("parcel,weight\n\nÄ1,2\\,5\n\nB,1\n".encode(), "a.csv", {"escape": "\\"}),
    ],
)  # fmt: skip
def test_a_file_is_read_as_it_is_declared(
    content: bytes, path: str, options: dict[str, object]
) -> None:
    rows = read_csv(content, path, csv_format(**options), ["parcel", "weight"])
    assert rows.to_dict(as_series=False) == ROWS


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"parcel;weight\nA;1\n", {}, r"parcel, weight is missing.*csv: \{separator: \";\"\}"),
        (b"parcel\tweight\nA\t1\n", {}, r"csv: \{separator: \"\\t\"\}"),
        ("parcel,weight\nÄ,1\n".encode("cp1252"), {}, r"line 2 is not utf-8; .*encoding: cp1252"),
        ("parcel,weight\nA,1\n".encode("utf-16-le"), {}, r"zero bytes.*encoding: utf-16"),
        (b"parcel,weight\nA,1\nB\n", {}, r"row 3 \(the header is row 1\) has 1 fields.*2: 'B'"),
        (b"parcel,weight\nA,2,5\n", {}, r"row 2 .* has 3 fields, the header has 2: 'A,2,5'"),
        (b"parcel,weight\nA\n,1\n", {}, r"row 2 .* has 1 fields.*line break stands in a text"),
        (
            b'parcel,weight\n"14\\" box",2\nB,3\n"9\\" tube",4\n',
            {},
            r"line 2: a backslash .*escape: '\\'",
        ),
        (b'parcel,weight\n5" pipe,2\n', {}, r"line 2: a quote .*csv: \{quote: null\}"),
        (b'parcel,weight\nA,1\n"B,2\n', {}, r"line 3: a quote neither begins nor ends"),
        (b"parcel,weight,weight\nA,1,2\n", {}, r"column weight occurs 2 times"),
        (b"\x1f\x8b\x08\0", {}, "compressed with gzip: give it a name that ends in .gz"),
        (b"PK\x03\x04\x14\0", {}, "an Excel workbook: export it as CSV or Parquet"),
        (b"PAR1\x15\x04", {}, "a Parquet file: give it a name that ends in .parquet"),
        (b"", {}, "the file is empty"),
        (b"\n \n", {}, "the file is empty"),
    ],
)
def test_a_file_written_otherwise_is_refused_with_the_way_out(
    content: bytes, options: dict[str, object], message: str
) -> None:
    with pytest.raises(RefusedBatch, match=rf"^a\.csv: (?s:.*){message}"):
        read_csv(content, "a.csv", csv_format(**options), ["parcel", "weight"])


def test_an_escape_before_a_usual_character_stays() -> None:
    text = b'parcel,weight\n"14\\" box",C:\\dir\nB,\\N\n"C\\\\",1\n'
    rows = read_csv(text, "a.csv", csv_format(escape="\\"), ["parcel", "weight"])
    assert rows.rows() == [('14" box', "C:\\dir"), ("B", "\\N"), ("C\\", "1")]


def test_only_the_wanted_columns_are_read_in_their_order() -> None:
    rows = read_csv(b'b,a,c,c\n1,"",3,4\n,2,,\n', "a.csv", CsvFormat(), ["a", "b"])
    assert rows.rows() == [("", "1"), ("2", None)]


def test_a_file_of_one_column_keeps_its_empty_lines() -> None:
    assert read_csv(b"a\n1\n\n2\n", "a.csv", CsvFormat())["a"].to_list() == ["1", None, "2"]


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=4), st.sampled_from(["double", "escape"]))
@settings(max_examples=300, deadline=None)
def test_every_text_comes_back_as_it_was_written(
    rows: list[tuple[str, str, str]], style: str
) -> None:
    written = StringIO()
    escape = {"doublequote": False, "escapechar": "\\"} if style == "escape" else {}
    writer = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n", **escape)
    writer.writerows([("a", "b", "c"), *rows])
    declared = csv_format(escape="\\" if style == "escape" else '"')
    frame = read_csv(written.getvalue().encode(), "a.csv", declared)
    assert frame.rows() == rows


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5), st.booleans())
@settings(max_examples=300, deadline=None)
def test_escaped_quotes_are_never_read_as_other_rows(
    rows: list[tuple[str, str]], quote_all: bool
) -> None:
    written = StringIO()
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    writer = csv.writer(
        written, quoting=quoting, lineterminator="\n", doublequote=False, escapechar="\\"
    )
    writer.writerows([("a", "b"), *rows])
    try:
        frame = read_csv(written.getvalue().encode(), "a.csv", CsvFormat())
    except RefusedBatch:
        return
    assert not any('"' in text for row in rows for text in row)
    assert frame.height == len(rows)


def test_all_rows_of_a_polars_file_come_back() -> None:
    frame = pl.DataFrame({"a": ['x "y"', None, "1\n2"], "b": ["", "z", None]})
    assert read_csv(frame.write_csv().encode(), "a.csv", CsvFormat()).equals(frame)
