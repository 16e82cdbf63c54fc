"""Format of a sample's CSV files: encoding, separator, escapes, decimals and missing values."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

import polars as pl

from configs.schema.landed import CsvFormat

_SEPARATORS = (",", ";", "\t", "|")
_LOOKED_AT = 200_000  # characters from which separator and header are taken
_LINES = 50
MISSING_TEXTS = (
    "NA", "N/A", "n/a", "#N/A", "null", "NULL", "Null", "None", "none", "nil", "\\N", "nan", "NaN",
    "-", "--", "?", ".", "missing", "unknown",
)  # fmt: skip
_WHOLE = r"^[+-]?\d+$"
_COMMA_DECIMAL, _POINT_DECIMAL = r"^[+-]?\d+,\d+$", r"^[+-]?\d+\.\d+$"
_NUMBER = r"^[+-]?[\d.,]+$"
_COMMA_GROUPS = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_POINT_GROUPS = r"^[+-]?\d{1,3}(\.\d{3})+(,\d+)?$"


def detect_layout(content: bytes) -> CsvFormat:
    """Return the encoding, the separator and the escape of a CSV file, each if it is not usual."""
    layout: dict[str, str] = {}
    encoding = _detect_encoding(content)
    if encoding != "utf-8":
        layout["encoding"] = encoding
    start = content[:_LOOKED_AT].decode(_decodable(content, encoding), errors="replace")
    if (separator := _detect_separator(start)) != ",":
        layout["separator"] = separator
    if '\\"' in start:
        layout["escape"] = "\\"
    return CsvFormat.model_validate(layout)


def read_header(content: bytes, layout: CsvFormat, separator: str) -> list[str]:
    """Return the names in the first row of a CSV file."""
    start = content[:_LOOKED_AT].decode(_decodable(content, layout.encoding), errors="replace")
    return [name.strip() for name in next(_parse_lines(start.lstrip("\ufeff\r\n"), separator), [])]


def detect_values(columns: Iterable[pl.Series], layout: CsvFormat) -> CsvFormat:
    """Return the format with the texts that mean missing, and with how numbers are written.

    A text means missing if the other values of its column are numbers, times or true and false.
    """
    detected = layout.model_dump(exclude_defaults=True)
    texts = [column.drop_nulls().str.strip_chars() for column in columns]
    nulls = {text for column in texts for text in _find_missing(column)}
    if nulls:
        detected["nulls"] = tuple(text for text in MISSING_TEXTS if text in nulls)
    numbers = [column.filter(~column.is_in(list(nulls))) for column in texts]
    forms = ((_COMMA_DECIMAL, _POINT_GROUPS), (_POINT_DECIMAL, _COMMA_GROUPS))
    commas, points = (
        any(_all_match(column, f"{_WHOLE}|{decimal}|{groups}", decimal) for column in numbers)
        for decimal, groups in forms
    )
    if commas and not points and (layout.separator == ";" or not _are_groups(numbers)):
        detected["decimal"] = ","
    groups, sign = (_POINT_GROUPS, ".") if detected.get("decimal") else (_COMMA_GROUPS, ",")
    plain = rf"{_WHOLE}|{_COMMA_DECIMAL if sign == '.' else _POINT_DECIMAL}"
    if any(_all_match(column, f"{groups}|{plain}", groups) for column in numbers):
        detected["thousands"] = sign
    return CsvFormat.model_validate(detected)


def _detect_encoding(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-8"  # a byte order mark is recognised
    start = content[:_LOOKED_AT]
    if b"\0" in start:
        return "utf-16-le" if start[1::2].count(0) > start[::2].count(0) else "utf-16-be"
    for encoding in ("utf-8", "cp1252"):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def _decodable(content: bytes, encoding: str) -> str:
    return "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else encoding


def _detect_separator(text: str) -> str:
    """Return the separator that splits the first lines into most fields, as many in each."""
    scores = {}
    for place, separator in enumerate(_SEPARATORS):
        counts = [
            len(row)
            for row, _ in zip(_parse_lines(text, separator), range(_LINES), strict=False)
            if row
        ]
        even = counts.count(counts[0]) / len(counts) if counts else 0
        scores[separator] = (
            counts[0] > 1 if counts else False,
            even > 0.8,
            counts[0] if counts else 0,
            -place,
        )
    return max(scores, key=lambda separator: scores[separator])


def _parse_lines(text: str, separator: str) -> Iterator[list[str]]:
    return csv.reader(StringIO(text, newline=""), delimiter=separator)


def _find_missing(column: pl.Series) -> Sequence[str]:
    """Return the texts that mean missing in a column whose other values are no texts."""
    missing = [text for text in MISSING_TEXTS if (column == text).any()]
    others = column.filter(~column.is_in(missing)) if missing else column
    pattern = rf"{_WHOLE}|^[+-]?[\d.,' ]*\d(e[+-]?\d+)?$|^(?i:true|false)$|^\d[\d/.:T +-]*Z?$"
    if not missing or others.is_empty() or not others.str.contains(pattern).all():
        return []
    return missing


def _are_groups(numbers: Iterable[pl.Series]) -> bool:
    """Return whether each comma in a number may stand between thousands, like in 1,234."""
    with_comma = (column for column in numbers if _all_match(column, _NUMBER, ","))
    return all(_all_match(column, f"{_COMMA_GROUPS}|{_WHOLE}", ",") for column in with_comma)


def _all_match(column: pl.Series, allowed: str, required: str) -> bool:
    """Return whether all values match one pattern, and some the other."""
    if column.is_empty():
        return False
    return bool(column.str.contains(allowed).all() and column.str.contains(required).any())
