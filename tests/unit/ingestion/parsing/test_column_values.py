from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.schema.landed import Column, CsvFormat
from tasks.ingestion.parsing.column_values import LAKE_TYPES, cast_column, mark_nulls

TEN = datetime(2024, 3, 1, 10, tzinfo=UTC)


def convert(column: pl.Series, csv: dict[str, object] | None = None, **declared: object) -> object:
    """The values of a column in the lake, or `refused` if one of them cannot be held."""
    column_declared, csv_format = Column.model_validate(declared), CsvFormat(**(csv or {}))
    raw = mark_nulls(column, column_declared, csv_format)
    typed = cast_column(raw, column_declared, csv_format)
    assert typed.dtype == LAKE_TYPES[column_declared.type]
    return "refused" if (raw.is_not_null() & typed.is_null()).any() else typed.to_list()


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("integer", "1.0", 1), ("integer", "1.", 1), ("integer", "1.5", "refused"),
        ("integer", "+5", 5), ("integer", "1e+05", 100_000), ("integer", " 7 ", 7),
        ("integer", "9007199254740993", 2**53 + 1), ("integer", str(2**63), "refused"),
        ("integer", "1.5e0", "refused"), ("integer", "1,000", "refused"), ("integer", "", None),
        ("integer", "0x10", "refused"), ("integer", "inf", "refused"),
        ("number", "1.5", 1.5), ("number", "2,5", "refused"), ("number", "NA", "refused"),
        ("number", "1e999", "refused"), ("number", "inf", float("inf")), ("number", "", None),
        ("number", "9007199254740993", "refused"), ("number", "1" + "0" * 20, 1e20),
        ("number", "1" * 50, "refused"), ("number", "-0.1", -0.1),
        ("boolean", "TRUE", True), ("boolean", "yes", "refused"), ("boolean", "", None),
        ("text", " a ", " a "), ("text", "", ""), ("text", "NA", "NA"), ("text", "007", "007"),
    ],
)  # fmt: skip
def test_a_text_is_converted_exactly_or_refused(kind: str, text: str, expected: object) -> None:
    found = convert(pl.Series([text]), type=kind)
    assert found == expected if expected == "refused" else found == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-01T10:00:00Z", TEN), ("2024-03-01 10:00:00+00", TEN), ("2024-03-01 10:00", TEN),
        ("2024-03-01 10:00:00 UTC", TEN), ("2024-03-01T12:00:00.000+02:00", TEN),
        ("2024-03-01 04:30:00-0530", TEN), ("2024-03-01", TEN.replace(hour=0)),
        ("2024-03-01 10:00:00.5", TEN.replace(microsecond=500_000)),
        ("0001-01-01", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("9999-12-31T23:59:59-01:00", "refused"), ("0000-01-01", "refused"),
        ("2024-02-30", "refused"), ("2024-03-01 24:00", "refused"), ("2024-03-01T10", "refused"),
        ("2024-03-01T10:00:60Z", "refused"), ("03/01/2024 10:00", "refused"),
        ("2024-03-01T10:00+25:00", "refused"), ("2024-03-01T10:00+01:90", "refused"),
        ("2024-03-02T00:00+14:00", TEN),
        ("1709287200", "refused"), ("20240301", "refused"), ("10:00", "refused"),
    ],
)  # fmt: skip
def test_a_time_is_read_as_databases_write_it(text: str, expected: object) -> None:
    for values in ([text], [text, "2024-03-01T10:00:00Z"], [text, "2024-03-01T12:00:00+02:00"]):
        found = convert(pl.Series(values), type="time")
        wanted = [expected, *[TEN] * (len(values) - 1)]
        assert found == (expected if expected == "refused" else wanted)


@pytest.mark.parametrize(
    ("column", "declared", "expected"),
    [
        (pl.Series(["03/01/2024 10:00"]), {"format": "%m/%d/%Y %H:%M"}, TEN),
        (pl.Series(["01.03.2024"]), {"format": "%d.%m.%Y"}, TEN.replace(hour=0)),
        (pl.Series(["1 Mar 2024 11:00 +0100"]), {"format": "%d %b %Y %H:%M %z"}, TEN),
        (pl.Series(["2024-03-01 11:00"]), {"zone": "Europe/Amsterdam"}, TEN),
        (pl.Series(["2024-03-01 10:00+00"]), {"zone": "Europe/Amsterdam"}, TEN),
        (pl.Series(["2024-03-31 02:30"]), {"zone": "Europe/Amsterdam"}, "refused"),
        (pl.Series(["2024-10-27 02:30"]), {"zone": "Europe/Amsterdam"}, "refused"),
        (pl.Series(["1709287200"]), {"format": "epoch_s"}, TEN),
        (pl.Series([1709287200000]), {"format": "epoch_ms"}, TEN),
        (pl.Series([1709287200.0]), {"format": "epoch_s"}, TEN),
        (pl.Series([1709287200000]), {"format": "epoch_s"}, "refused"),
        (pl.Series([1709287200]), {}, "refused"),
        (pl.Series([2**62]).cast(pl.Datetime("ms")), {}, "refused"),
        (pl.Series([2**30], dtype=pl.Int32).cast(pl.Date), {}, "refused"),
        (pl.Series([TEN.replace(tzinfo=None)], dtype=pl.Datetime("ns")), {}, TEN),
        (pl.Series([timedelta(1)]), {}, "refused"), (pl.Series([time(1)]), {}, "refused"),
    ],
)  # fmt: skip
def test_other_times_need_a_format_or_a_zone(
    column: pl.Series, declared: dict[str, object], expected: object
) -> None:
    found = convert(column, type="time", **declared)
    assert found == (expected if expected == "refused" else [expected])


@pytest.mark.parametrize(
    ("column", "kind", "expected"),
    [
        (pl.Series([1.0, float("nan"), None]), "integer", [1, None, None]),
        (pl.Series([1.5]), "integer", "refused"), (pl.Series([float("inf")]), "integer", "refused"),
        (pl.Series([2.0**60]), "integer", "refused"),
        (pl.Series([2**63], dtype=pl.UInt64), "integer", "refused"),
        (pl.Series([Decimal(7)], dtype=pl.Decimal(38, 0)), "integer", [7]),
        (pl.Series([Decimal("7.50")]), "integer", "refused"),
        (pl.Series([Decimal(10**30)], dtype=pl.Decimal(38, 0)), "integer", "refused"),
        (pl.Series([Decimal(10**30)], dtype=pl.Decimal(38, 0)), "text", [str(10**30)]),
        (pl.Series([Decimal("7.5")]), "text", "refused"), (pl.Series([7]), "text", "refused"),
        (pl.Series([Decimal("0.10")]), "number", [0.1]),
        (pl.Series([Decimal("12345678901234567.89")]), "number", "refused"),
        (pl.Series([2**53 + 1]), "number", "refused"), (pl.Series([2**53]), "number", [2.0**53]),
        (pl.Series([timedelta(1)]), "number", "refused"), (pl.Series([TEN]), "number", "refused"),
        (pl.Series([True]), "integer", "refused"), (pl.Series([1]), "boolean", "refused"),
        (pl.Series([["a", None], None, []]), "text", ['["a",null]', None, "[]"]),
        (pl.Series([{"lat": 1.5, "of": [1]}, None]), "text", ['{"lat":1.5,"of":[1]}', None]),
        (pl.Series([[TEN]]), "text", "refused"), (pl.Series([b"a"]), "text", "refused"),
        (pl.Series(["a"], dtype=pl.Categorical), "text", ["a"]),
        (pl.Series([None, None]), "time", [None, None]),
    ],
)  # fmt: skip
def test_a_typed_column_is_converted_exactly_or_refused(
    column: pl.Series, kind: str, expected: object
) -> None:
    assert convert(column, type=kind) == expected


@pytest.mark.parametrize(
    ("csv", "text", "expected"),
    [
        ({"decimal": ","}, "2,5", 2.5), ({"decimal": ","}, "2.5", "refused"),
        ({"decimal": ",", "thousands": "."}, "-1.234,5", -1234.5),
        ({"decimal": ",", "thousands": "."}, "1.23", "refused"),
        ({"thousands": ","}, "12,345,678", 12345678.0), ({"thousands": ","}, "12,34", "refused"),
        ({"thousands": " "}, "1 234.5", 1234.5), ({"nulls": ["NA", "-"]}, "-", None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_the_csv_is_declared(
    csv: dict[str, object], text: str, expected: object
) -> None:
    found = convert(pl.Series([text]), csv, type="number")
    assert found == (expected if expected == "refused" else [expected])


def test_a_column_may_have_texts_for_missing_of_its_own() -> None:
    csv = {"nulls": ["NA"]}
    assert convert(pl.Series(["NA"]), csv, type="text") == [None]
    assert convert(pl.Series(["NA"]), csv, type="text", nulls=[]) == ["NA"]


WRITTEN = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False).map(repr),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.text("0123456789.,+-eE_x ", max_size=12),
)


@given(st.lists(WRITTEN, min_size=1, max_size=4), st.sampled_from(["integer", "number"]))
@settings(max_examples=300, deadline=None)
def test_a_number_equals_what_was_written_or_is_refused(texts: list[str], kind: str) -> None:
    found = convert(pl.Series(texts), type=kind)
    if found == "refused":
        return
    assert isinstance(found, list)
    for text, value in zip(texts, found, strict=True):
        written = text.strip(" ")
        if value is None:
            assert not written
        elif kind == "integer":
            assert Decimal(value) == Decimal(written)
        else:
            assert value == float(written)


@given(st.datetimes(timezones=st.timezones()), st.sampled_from(["T", " "]), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_time_equals_what_was_written_or_is_refused(at: datetime, sign: str, mixed: bool) -> None:
    texts = [at.isoformat(sign), *(["2024-03-01T10:00:00Z"] if mixed else [])]
    found = convert(pl.Series(texts), type="time")
    if found != "refused":
        assert isinstance(found, list)
        assert found[0] == datetime.fromisoformat(texts[0])
