"""Schema of tables, spine and features."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from configs.clock import check_moment
from configs.schema.base import Duration, Name, SchemaModel
from configs.schema.landed import (
    COMPRESSED_SUFFIXES,
    FILE_SUFFIXES,
    CsvFormat,
    DeclaredColumn,
)

OWN_TIME = "_known"
"""The column that ingestion adds to a table without times: when the row became known."""

KNOWN_GRACE = timedelta(minutes=5)
"""A row may be known so much later than the ingest: clocks of two machines differ."""


class Table(SchemaModel):
    """A landed table: its files, columns, keys and two times (UTC).

    A table without times has `known_from` instead. Rows of its first run count as known from that
    time, later rows from when they were found.
    """

    files: str = Field(
        description="glob below the use case's landing folder; .parquet, .csv, .tsv or .jsonl"
    )
    columns: dict[str, DeclaredColumn] = Field(min_length=1)
    csv: CsvFormat = CsvFormat()
    # `keys` in the YAML only: dict(model), by which Prefect walks through parameters, would call it
    key: tuple[str, ...] = Field(min_length=1, alias="keys")
    event_time: str = Field(OWN_TIME, description="column: when it happened")
    known_time: str = Field(OWN_TIME, description="column: when we knew it")
    known_from: Annotated[datetime, AfterValidator(check_moment)] | None = Field(
        None, description="for a table without times: when its first rows became known"
    )
    settle: Duration = Field(
        timedelta(0), description="a file is taken once it is unchanged for this time"
    )
    epoch: Annotated[datetime, AfterValidator(check_moment)] = Field(
        datetime(1970, 1, 1, tzinfo=UTC), description="no event or known time is earlier"
    )
    horizon: Duration = Field(
        timedelta(days=730), description="no event or known time is later, counted from the ingest"
    )
    suite: Name = Field(description="function of the expectations module")

    @model_validator(mode="after")
    def _names_are_columns(self) -> Self:
        for name in (*self.key, *self._times()):
            if name not in self.columns:
                raise ValueError(f"column {name!r} not found; columns: {', '.join(self.columns)}")
        for name in self._times():
            kind = self.columns[name].type
            if kind != "time":
                raise ValueError(
                    f"column {name!r} has type {kind}, not time: declare it as time "
                    "(its values are UTC, like 2013-01-31T18:05:00Z), or name another column"
                )
        self._require_known_suffix()
        return self

    def _require_known_suffix(self) -> None:
        name = self.files.lower()
        for suffix in COMPRESSED_SUFFIXES:
            name = name.removesuffix(suffix)
        if not name.endswith((*FILE_SUFFIXES, "*")):
            raise ValueError(
                f"files {self.files!r} is invalid; it must end in .parquet, .csv, .tsv, .jsonl, "
                ".csv.gz or .csv.zst"
            )

    def _times(self) -> tuple[str, ...]:
        """Return the columns of the two times; none for a table without times."""
        named = tuple(name for name in (self.event_time, self.known_time) if name != OWN_TIME)
        if len(named) == (2 if self.known_from is None else 0):
            return named
        raise ValueError(
            "event_time and known_time: name a column for each (one column may be both); for a "
            "table without times set only known_from, the day from which its rows count as known"
        )


class Spine(SchemaModel):
    """The rows to predict: keys and prediction time."""

    function: Name = "spine"
    key: tuple[str, ...] = Field(
        min_length=1, alias="keys", description="columns that name one prediction"
    )
    time: str = "prediction_time"


class Features(SchemaModel):
    """The feature module, the Feast service that serves the model, and the model's inputs."""

    module: str = Field(description="Python module of transforms, spine and label")
    views: tuple[Name, ...] = Field(
        min_length=1, description="functions, one for each feature table"
    )
    service: Name
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return all inputs of the model, in the order of the matrix's columns."""
        return (*self.numeric, *self.categorical)

    @model_validator(mode="after")
    def _inputs_are_some(self) -> Self:
        duplicates = {name for name in self.inputs if self.inputs.count(name) > 1}
        if not self.inputs or duplicates:
            raise ValueError(
                f"numeric and categorical must name each input once: {sorted(duplicates)}"
            )
        return self
