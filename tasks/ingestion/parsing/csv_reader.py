"""Reading of CSV files into columns of text: encoding, quotes, and fields per row.

A file is read exactly or refused: no row is joined with another, filled or cut.
"""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Sequence
from io import BytesIO, StringIO

import numpy as np
import polars as pl
import pyarrow as pa
from pyarrow import csv as arrow_csv

from configs.errors import RefusedBatch
from configs.schema.landed import CsvFormat

_LARGEST_ROW = 64 << 20
_HEADER_BYTES = 1 << 20
_OTHER_SEPARATORS = {";": '";"', "\t": '"\\t"', "|": '"|"', ",": '","'}
_OTHER_FORMATS = {
    b"\x1f\x8b": "compressed with gzip: give it a name that ends in .gz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: give it a name that ends in .zst",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook: export it as CSV or Parquet",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: export it as CSV or Parquet",
    b"PAR1\x15": "a Parquet file: give it a name that ends in .parquet",
    b"BZh9": "compressed with bzip2: compress it with gzip or zstd",
    b"\xfd7zXZ": "compressed with xz: compress it with gzip or zstd",
    b"SQLite format 3": "an SQLite database: export its table as CSV or Parquet",
}
"""First bytes of files that are no CSV, and what each is."""


def read_csv(
    content: bytes, path: str, csv_format: CsvFormat, wanted: Sequence[str] | None = None
) -> pl.DataFrame:
    """Read columns of a CSV file as texts; an empty field is null. Raise RefusedBatch.

    Args:
        content: the file, not compressed.
        path: of the file, for messages; in a .tsv file a tab separates fields by default.
        csv_format: how it is written.
        wanted: names of the columns; by default all.
    """
    require_text(content, path)
    separator = csv_format.separator or ("\t" if ".tsv" in path.lower() else ",")
    text = _decode(content, path, csv_format.encoding)
    if not text.strip():
        raise RefusedBatch(f"{path}: the file is empty; land it again")
    quotes = _find_quotes(text, csv_format)
    _require_sound_quotes(text, quotes, separator, path, csv_format)
    header = _read_header(text, separator, csv_format)
    names = list(dict.fromkeys(header) if wanted is None else wanted)
    require_columns(path, header, names, _explain_header(header, separator))
    rows = _parse(text, path, separator, csv_format, header, [header.index(one) for one in names])
    return rows.rename(dict(zip(rows.columns, names, strict=True)))


def require_columns(
    path: str, present: Sequence[str], wanted: Sequence[str], hint: str = ""
) -> None:
    """Raise RefusedBatch unless each wanted column occurs once.

    Args:
        path: of the file, for messages.
        present: the columns of the file.
        wanted: the columns to read.
        hint: a likely solution.
    """
    missing = [name for name in wanted if name not in present]
    if missing:
        raise RefusedBatch(
            f"{path}: column {', '.join(missing)} is missing (columns found: "
            f"{', '.join(present) or 'none'}); "
            f"{hint or 'land the file with it, or change the YAML'}"
        )
    for name in wanted:
        if present.count(name) > 1:
            raise RefusedBatch(
                f"{path}: column {name} occurs {present.count(name)} times; land the file with one"
            )


def require_text(content: bytes, path: str) -> None:
    """Raise RefusedBatch if the first bytes are those of another format than CSV."""
    for start, description in _OTHER_FORMATS.items():
        if content.startswith(start):
            raise RefusedBatch(f"{path}: its content is {description}, and land it again")


def _decode(content: bytes, path: str, encoding: str) -> bytes:
    """Return the content in UTF-8, without a byte order mark."""
    if content.startswith(BOM_UTF8):
        content, encoding = content[len(BOM_UTF8) :], "utf-8"
    elif content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        encoding = "utf-16"
    if not content.isascii() or encoding.lower().startswith("utf-16"):
        try:
            text = content.decode(encoding)
        except UnicodeError as error:
            line = content.count(b"\n", 0, getattr(error, "start", 0)) + 1
            raise RefusedBatch(
                f"{path}: line {line} is not {encoding}; state the file's encoding in the YAML "
                "(csv: {encoding: cp1252} for Western Windows), or land it in UTF-8"
            ) from error
        content = text.encode()
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise RefusedBatch(
            f"{path}: line {line} holds zero bytes: the file is damaged, or its encoding is "
            "another one; land it again, or state it in the YAML (csv: {encoding: utf-16})"
        )
    return content if content.endswith((b"\n", b"\r")) else content + b"\n"


def _find_quotes(text: bytes, csv_format: CsvFormat) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return the places of all quotes that are not escaped."""
    if not csv_format.quote or csv_format.quote.encode() not in text:
        return np.empty(0, np.intp)
    if csv_format.escape_sign:
        text = re.sub(
            re.escape(csv_format.escape_sign.encode()) + b".", b"xx", text, flags=re.DOTALL
        )
    return np.flatnonzero(np.frombuffer(text, np.uint8) == ord(csv_format.quote))


def _require_sound_quotes(
    text: bytes,
    quotes: np.ndarray[tuple[int], np.dtype[np.intp]],
    separator: str,
    path: str,
    csv_format: CsvFormat,
) -> None:
    """Raise RefusedBatch if a quote neither begins nor ends a field, and is not doubled.

    By parity the first quote begins a text, the second one ends it, and so on. The two of a
    doubled quote end and begin a text side by side.
    """
    octets = np.frombuffer(text, np.uint8)
    borders = np.frombuffer(f"{separator}\r\n".encode(), np.uint8)
    first, last = quotes[::2], quotes[1::2]
    begins = (first == 0) | np.isin(octets[first - 1], borders)
    ends = np.isin(octets[np.minimum(last + 1, len(octets) - 1)], borders)
    doubled = last[: len(first[1:])] + 1 == first[1:]
    begins[1:] |= doubled
    ends[: len(doubled)] |= doubled
    if csv_format.escape is None and (octets[quotes[quotes > 0] - 1] == ord("\\")).any():
        _refuse_backslash(text, path, csv_format)
    stray = [*first[~begins], *last[~ends], *(first[-1:] if len(quotes) % 2 else [])]
    if stray:
        _refuse_quote(text, int(min(stray)), path)


def _refuse_backslash(text: bytes, path: str, csv_format: CsvFormat) -> None:
    """Raise RefusedBatch: read in the wrong one of two ways, rows could be joined."""
    line = text.count(b"\n", 0, text.index(f"\\{csv_format.quote}".encode())) + 1
    raise RefusedBatch(
        f"{path}: line {line}: a backslash stands before a quote; state in the YAML whether it "
        f"escapes the quote (csv: {{escape: '\\'}}) or is text "
        f"(csv: {{escape: '{csv_format.quote}'}})"
    )


def _refuse_quote(text: bytes, place: int, path: str) -> None:
    line = text.count(b"\n", 0, place) + 1
    raise RefusedBatch(
        f"{path}: line {line}: a quote neither begins nor ends a field; land the file with doubled "
        "quotes, or state that quotes are plain text (csv: {quote: null})"
    )


def _read_header(text: bytes, separator: str, csv_format: CsvFormat) -> list[str]:
    """Return the fields of the first row, without spaces around them."""
    start = text.lstrip(b"\r\n")[:_HEADER_BYTES].decode(errors="ignore")
    reader = csv.reader(
        StringIO(start, newline=""),
        delimiter=separator,
        quotechar=csv_format.quote,
        quoting=csv.QUOTE_MINIMAL if csv_format.quote else csv.QUOTE_NONE,
        escapechar=csv_format.escape_sign,
    )
    return [name.strip() for name in next(reader)]


def _explain_header(header: Sequence[str], separator: str) -> str:
    """Return the likely solution if the header's only field holds another separator."""
    for other, written in _OTHER_SEPARATORS.items():
        if len(header) == 1 and other != separator and other in header[0]:
            return f"state the separator in the YAML: csv: {{separator: {written}}}"
    return ""


def _parse(
    text: bytes,
    path: str,
    separator: str,
    csv_format: CsvFormat,
    header: Sequence[str],
    places: Sequence[int],
) -> pl.DataFrame:
    """Return the columns at some places of the header, named by their place."""
    ragged: list[arrow_csv.InvalidRow] = []
    names = [str(place) for place in range(len(header))]
    escape = csv_format.escape_sign
    if escape:
        text = _escape_lone_escapes(text, separator, escape, csv_format.quote)

    def stop(row: arrow_csv.InvalidRow) -> str:
        ragged.append(row)
        return "error"

    block = min(max(len(text) + 1, 1 << 20), _LARGEST_ROW)
    try:
        table = arrow_csv.read_csv(
            BytesIO(text),
            arrow_csv.ReadOptions(
                use_threads=False,  # for the number of an invalid row
                block_size=block,
                column_names=names,
                skip_rows_after_names=1,
            ),
            arrow_csv.ParseOptions(
                delimiter=separator,
                quote_char=csv_format.quote or False,
                escape_char=escape or False,
                newlines_in_values=True,
                ignore_empty_lines=len(header) > 1,  # of one column, an empty line is a null
                invalid_row_handler=stop,
            ),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()),
                include_columns=[str(place) for place in places],
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowException as error:
        reason = _describe_ragged(ragged[0], len(header)) if ragged else str(error)
        raise RefusedBatch(f"{path}: not readable as CSV: {reason}; land it again") from error
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _escape_lone_escapes(text: bytes, separator: str, escape: str, quote: str | None) -> bytes:
    r"""Double each escape that stands before a usual character, such as in C:\temp or \N."""
    sign, special = re.escape(escape.encode()), f"{separator}{quote or ''}{escape}\r\n".encode()
    pair = b"(%s[%s])|%s" % (sign, re.escape(special), sign)
    return re.sub(pair, lambda match: match[1] or escape.encode() * 2, text)


def _describe_ragged(row: arrow_csv.InvalidRow, expected: int) -> str:
    count = row.actual_columns
    if count < expected:
        fix = "the file may be cut short, or a line break stands in a text without quotes"
    else:
        fix = "a separator stands in a text without quotes, or csv: {decimal, separator} differ"
    return (
        f"row {row.number} (the header is row 1) has {count} fields, the header has {expected}: "
        f"{row.text[:80]!r}; {fix}"
    )
