"""Conversion of a landed column to its type in the lake, exactly or not at all.

A value that the type cannot hold becomes null here; the caller refuses such a file.
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from configs.schema.base import ColumnType
from configs.schema.landed import EPOCH_UNITS, Column, CsvFormat

LAKE_TYPES: dict[ColumnType, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "time": pl.Datetime("us", "UTC"),
}
"""Lake type of each column type of the YAML."""
_EXACT_IN_FLOAT = 2**53
"""All whole numbers up to this one are exact as a 64-bit float."""
_UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST_SECOND = int(datetime(1, 1, 1, tzinfo=UTC).timestamp())
_LAST_SECOND = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
_SECONDS_PER_DAY = 86_400
_MICROS_PER_MINUTE = 60 * 10**6
_TIME_PATTERN = (
    r"^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:[0-5]\d(?:[.,]\d{1,9})?)?"
    r" ?(?:(Z|UTC|GMT)|([+-](?:0\d|1[0-5]))(?::?([0-5]\d))?)?)?$"
)
_UTC_PATTERN = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:[0-5]\d(\.\d{1,9})?Z$"


def mark_nulls(column: pl.Series, declared: Column, csv_format: CsvFormat) -> pl.Series:
    """Return the column with null for NaN and for the texts that mean missing.

    Spaces around a text are removed, unless it is of type text.
    """
    if column.dtype.is_float():
        return column.fill_nan(None)
    if column.dtype != pl.String:
        return column
    if declared.type != "text":
        column = column.str.strip_chars()
        column = column.set(column == "", None)
    nulls = csv_format.nulls if declared.nulls is None else declared.nulls
    return column.set(column.is_in(list(nulls)), None) if nulls else column


def cast_column(
    column: pl.Series, declared: Column, csv_format: CsvFormat | None = None
) -> pl.Series:
    """Return the column in its lake type; null where a value cannot be converted exactly.

    Args:
        column: as it was read, a CSV's as text.
        declared: its type, and the format of its times.
        csv_format: how numbers are written.
    """
    kind, name = declared.type, column.name
    if column.dtype == pl.Null:
        return pl.Series(name, [None] * len(column), LAKE_TYPES[kind])
    convert = {
        "text": _to_text, "integer": _to_integers, "number": _to_numbers,
        "boolean": _to_booleans, "time": _to_times,
    }[kind]  # fmt: skip
    if column.dtype == pl.String and kind in ("integer", "number"):
        column = _to_plain_digits(column, csv_format or CsvFormat())
    values = convert(column, declared)
    if values is None:
        return pl.Series(name, [None] * len(column), LAKE_TYPES[kind])
    return values.alias(name)


def _to_plain_digits(column: pl.Series, csv_format: CsvFormat) -> pl.Series:
    """Return written numbers with a decimal point and without signs between thousands."""
    if csv_format.thousands:
        group, point = f"\\{csv_format.thousands}", f"\\{csv_format.decimal}"
        grouped = column.str.contains(rf"^[+-]?\d{{1,3}}({group}\d{{3}})+({point}\d*)?$")
        plain = column.str.replace_all(csv_format.thousands, "", literal=True)
        column = _where(grouped, plain, column)
    if csv_format.decimal == ",":
        column = column.set(column.str.contains(r"\.\d"), None)
        column = column.str.replace(",", ".", literal=True)
    return column


def _to_text(column: pl.Series, _declared: Column) -> pl.Series | None:
    """Return texts; a list or a struct as JSON, a decimal without a fraction as its digits."""
    kind = column.dtype
    if kind in (pl.String, pl.Categorical, pl.Enum):
        return column.cast(pl.String())
    if isinstance(kind, pl.Decimal) and kind.scale == 0:
        return column.cast(pl.String())
    if isinstance(kind, pl.List | pl.Struct | pl.Array) and _fits_json(kind):
        whole = pl.struct(column.alias("v")).struct.json_encode()
        json = whole.str.slice(5).str.head(-1)  # between {"v": and }
        return pl.select(pl.when(column.is_not_null()).then(json)).to_series()
    return None


def _fits_json(kind: pl.DataType | type[pl.DataType]) -> bool:
    if isinstance(kind, pl.List | pl.Array):
        return _fits_json(kind.inner)  # type: ignore[arg-type]
    if isinstance(kind, pl.Struct):
        return all(_fits_json(field.dtype) for field in kind.fields)  # type: ignore[arg-type]
    return kind in (pl.String, pl.Boolean, pl.Null) or kind.is_integer() or kind.is_float()


def _to_integers(column: pl.Series, declared: Column) -> pl.Series | None:
    """Return whole numbers: 1.0 is one, 1.5 is none."""
    kind = column.dtype
    if kind == pl.String:
        values = column.cast(pl.Int64(), strict=False)
        if values.null_count() > column.null_count():
            return _integers_from_other_text(column, declared)
        return values
    if kind.is_integer():
        return column.cast(pl.Int64(), strict=False)
    if kind.is_float():
        whole = (column == column.floor()) & (column.abs() <= _EXACT_IN_FLOAT)
        return _where(whole, column, None).cast(pl.Int64(), strict=False)
    if kind.is_decimal():
        values = column.cast(pl.Int64(), strict=False)
        return _where(values.cast(kind, strict=False) == column, values, None)
    return None


def _integers_from_other_text(column: pl.Series, declared: Column) -> pl.Series:
    """Return whole numbers that are written like +1, 1.0 or, by R, 1e+05."""
    plain = column.str.contains(r"^[+-]?\d+(\.0*)?$")
    power = column.str.contains(r"^[+-]?\d(\.\d{1,14})?[eE]\+?\d\d?$")  # 15 digits are exact
    computed = _to_integers(column.cast(pl.Float64(), strict=False), declared)
    return _where(
        plain, _digits_of(column).cast(pl.Int64(), strict=False), _where(power, computed, None)
    )


def _digits_of(column: pl.Series) -> pl.Series:
    return column.str.strip_prefix("+").str.replace(r"\.0*$", "")


def _to_numbers(column: pl.Series, _declared: Column) -> pl.Series | None:
    """Return 64-bit floats; a whole number that no float holds is none."""
    kind = column.dtype
    if kind == pl.String:
        return _numbers_from_text(column)
    if kind.is_float():
        return column.cast(pl.Float64())
    if kind.is_integer() or kind.is_decimal():
        values = column.cast(pl.Float64(), strict=False)
        wide = pl.Int128() if kind.is_integer() else kind
        return _where(values.cast(wide, strict=False) == column.cast(wide), values, None)
    return None


def _numbers_from_text(column: pl.Series) -> pl.Series:
    values = column.cast(pl.Float64(), strict=False)
    large = values.is_finite() & (values.abs() >= _EXACT_IN_FLOAT)
    if large.any():
        large &= column.str.contains(r"^[+-]?\d+(\.0*)?$")
        whole = _digits_of(column).cast(pl.Int128(), strict=False)
        exact = (whole == values.cast(pl.Int128(), strict=False)).fill_null(False)
        values = _where(large & ~exact, None, values)
    if values.is_infinite().any():
        overflow = values.is_infinite() & column.str.contains(r"\d")  # 1e999
        values = _where(overflow, None, values)
    return values


def _to_booleans(column: pl.Series, _declared: Column) -> pl.Series | None:
    if column.dtype == pl.String:
        values = {"true": True, "false": False}
        return column.str.to_lowercase().replace_strict(
            values, default=None, return_dtype=pl.Boolean()
        )
    return column if column.dtype == pl.Boolean else None


def _to_times(column: pl.Series, declared: Column) -> pl.Series | None:
    """Return times in UTC, cut to microseconds; one outside the years 1 to 9999 is none."""
    kind = column.dtype
    unit = EPOCH_UNITS.get(declared.format or "")
    if unit:
        numbers = _to_integers(column, declared)
        return None if numbers is None else _from_epoch(numbers, unit)
    if kind == pl.String:
        times = _times_from_text(column, declared)
        return _where(times.to_physical().is_between(*_bounds("us")), times, None)
    if kind == pl.Date:
        days = column.to_physical().cast(pl.Int64())
        first, last = _bounds("s")
        inside = days.is_between(first // _SECONDS_PER_DAY, last // _SECONDS_PER_DAY)
        return _as_utc(_where(inside, column, None).cast(pl.Datetime("us")), declared)
    if isinstance(kind, pl.Datetime):
        inside = column.to_physical().is_between(*_bounds(kind.time_unit))
        return _as_utc(_where(inside, column, None), declared)
    return None


def _from_epoch(numbers: pl.Series, unit: str) -> pl.Series:
    inside = numbers.is_between(*_bounds(unit))
    micros = _where(inside, numbers, None) * (10**6 // _UNITS_PER_SECOND[unit])
    return micros.cast(LAKE_TYPES["time"])


def _bounds(unit: str) -> tuple[int, int]:
    """Return the first and last time that the lake holds, in a unit since 1970."""
    scale = _UNITS_PER_SECOND[unit]
    first, last = _FIRST_SECOND * scale, (_LAST_SECOND + 1) * scale - 1
    return max(first, -(2**63)), min(last, 2**63 - 1)  # nanoseconds end in 1677 and 2262


def _as_utc(column: pl.Series, declared: Column) -> pl.Series:
    """Return times in UTC; those without a zone are in the declared one.

    A local time that occurs twice or never, when clocks change, is none.
    """
    if column.dtype.time_zone is None:  # type: ignore[attr-defined]
        column = column.dt.replace_time_zone(
            declared.zone or "UTC", ambiguous="null", non_existent="null"
        )
    return column.cast(pl.Datetime("us", column.dtype.time_zone)).dt.convert_time_zone("UTC")  # type: ignore[attr-defined]


def _times_from_text(column: pl.Series, declared: Column) -> pl.Series:
    if declared.format:
        zoned = "%z" in declared.format
        parsed = column.str.to_datetime(
            declared.format, time_unit="us", time_zone="UTC" if zoned else None, strict=False
        )
        return _as_utc(parsed, declared)
    if column.str.contains(_UTC_PATTERN).all():  # by far the most usual form, five times faster
        usual = column.str.replace(" ", "T", literal=True)
        return usual.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    parts = column.str.extract_groups(_TIME_PATTERN).struct.unnest()
    day, minute, second, zero, hours, minutes = (parts[str(place)] for place in range(1, 7))
    clock = minute.fill_null("00:00") + second.fill_null(":00").str.replace(",", ".", literal=True)
    local = (day + "T" + clock).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False
    )
    shifted = hours.is_not_null()
    sign = _where(hours.str.starts_with("-"), -1, 1)
    offset = hours.str.slice(1).cast(pl.Int64()) * 60 + minutes.fill_null("00").cast(pl.Int64())
    utc = local.dt.replace_time_zone("UTC")
    moved = utc - (sign * offset * _MICROS_PER_MINUTE).cast(pl.Duration("us"))
    return _where(shifted, moved, _where(zero.is_not_null(), utc, _as_utc(local, declared)))


def _where(
    condition: pl.Series, then: pl.Series | int | None, otherwise: pl.Series | int | None
) -> pl.Series:
    return pl.select(pl.when(condition).then(then).otherwise(otherwise)).to_series()
