"""Schema of landed files: their columns, and how their CSV is written."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    StringConstraints,
    WrapSerializer,
    model_validator,
)

from configs.schema.base import ColumnType, SchemaModel, Zone

JSON_LINES_SUFFIXES = (".jsonl", ".ndjson")
FILE_SUFFIXES = (".parquet", ".csv", ".tsv", *JSON_LINES_SUFFIXES)
"""Endings of landed files, in any case; those of text may be followed by .gz or .zst."""
COMPRESSED_SUFFIXES = (".gz", ".zst")
_OneCharacter = Annotated[str, StringConstraints(pattern=r"^[\x01-\x09\x0b\x0c\x0e-\x7e]$")]


def _check_encoding(name: str) -> str:
    try:
        b"".decode(name)
    except LookupError as error:
        raise ValueError(f"encoding {name!r} not found; use one like utf-8 or cp1252") from error
    return name


class Column(SchemaModel):
    """A column of a table: its type, its name in the file, and how its values are written."""

    type: ColumnType
    # `from` in the YAML only: it is a keyword of Python
    source: str | None = Field(None, alias="from", description="its name in the file")
    format: str | None = Field(
        None, description="of a time: strptime codes, epoch_s, epoch_ms or epoch_us"
    )
    zone: Zone | None = Field(
        None, description="of a time: the zone of values without one; UTC by default"
    )
    nulls: tuple[str, ...] | None = Field(
        None, description="texts that mean missing, instead of those of csv.nulls"
    )

    @model_validator(mode="after")
    def _only_times_have_a_format(self) -> Self:
        if self.type != "time" and (self.format or self.zone):
            raise ValueError(f"format and zone belong to a time, not to {self.type}; remove them")
        if self.format and not (self.format in EPOCH_UNITS or "%" in self.format):
            raise ValueError(
                f"format {self.format!r} is invalid; use codes like %d/%m/%Y %H:%M, "
                f"or one of {', '.join(EPOCH_UNITS)}"
            )
        return self


EPOCH_UNITS: dict[str, Literal["s", "ms", "us"]] = {
    "epoch_s": "s", "epoch_ms": "ms", "epoch_us": "us",
}  # fmt: skip
"""The formats of times that are whole numbers since 1970, and their units."""


def _read_short_form(value: object) -> object:
    return {"type": value} if isinstance(value, str) else value


def _write_short_form(
    value: Column, handler: SerializerFunctionWrapHandler, _info: SerializationInfo
) -> Any:  # noqa: ANN401
    return value.type if value.model_fields_set == {"type"} else handler(value)


DeclaredColumn = Annotated[
    Column, BeforeValidator(_read_short_form), WrapSerializer(_write_short_form)
]
"""A column; `weight: number` is short for `weight: {type: number}`."""


class CsvFormat(SchemaModel):
    """How the CSV files of a table are written."""

    separator: _OneCharacter | None = Field(
        None, description="between fields; by default a comma, and a tab in .tsv files"
    )
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'"] | None = Field(
        None, description="between groups of three digits"
    )
    encoding: Annotated[str, AfterValidator(_check_encoding)] = Field(
        "utf-8", description="of the text; a byte order mark of UTF-8 or UTF-16 is recognised"
    )
    quote: _OneCharacter | None = Field('"', description="around texts; null if there are none")
    escape: _OneCharacter | None = Field(
        None, description="before a quote inside a text: a backslash, or the quote itself"
    )
    nulls: tuple[str, ...] = Field((), description="texts that mean missing, like NA")

    @property
    def escape_sign(self) -> str | None:
        """Return the sign before a quote inside a text, unless the quote is doubled."""
        return None if self.escape == self.quote else self.escape

    @model_validator(mode="after")
    def _signs_differ(self) -> Self:
        escape = None if self.escape == self.quote else self.escape
        signs = [sign for sign in (self.separator, self.quote, escape) if sign]
        if len(set(signs)) < len(signs) or self.decimal == self.thousands:
            raise ValueError("separator, quote and escape must differ, as decimal and thousands")
        return self
