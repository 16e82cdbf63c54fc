"""Sample files of a table: their rows as landing reads them, and the declaration of each column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from configs.errors import BadConfig, RefusedBatch
from configs.schema.base import ColumnType
from configs.schema.landed import COMPRESSED_SUFFIXES, FILE_SUFFIXES, Column, CsvFormat
from tasks.ingestion.parsing.column_values import cast_column, mark_nulls
from tasks.ingestion.parsing.csv_reader import read_csv, require_text
from tasks.ingestion.parsing.file_schema import decompress, is_json_lines, is_parquet
from tasks.ingestion.parsing.json_lines_reader import read_json_lines
from tasks.ingestion.parsing.parquet_reader import read_parquet
from tasks.scaffold.column_names import map_names
from tasks.scaffold.column_types import guess_columns
from tasks.scaffold.sample_format import detect_layout, detect_values, read_header
from tasks.storage import files

FEW_VALUES = 50
"""A text column with at most this many different values is a category."""


@dataclass(frozen=True)
class Sample:
    """The rows of a table's sample files, and how the YAML declares them.

    `raw` are the values as they were read, `rows` those of the lake, both by the names of the lake.
    `left_out` has the reason for each column of the files that no table can have.
    """

    name: str
    suffix: str
    paths: tuple[str, ...]
    largest_file_rows: int
    raw: pl.DataFrame
    rows: pl.DataFrame
    declared: dict[str, Column]
    csv: CsvFormat
    left_out: dict[str, str]

    @property
    def columns(self) -> dict[str, ColumnType]:
        """The type of each column by its name in the lake."""
        return {name: column.type for name, column in self.declared.items()}

    def columns_of(self, *kinds: ColumnType) -> list[str]:
        """Return the columns of some types."""
        return [name for name, kind in self.columns.items() if kind in kinds]

    def find_column(self, name: str) -> str | None:
        """Return the lake's name of a column, named as in the lake or as in the files."""
        if name in self.declared:
            return name
        return next((own for own, column in self.declared.items() if column.source == name), None)

    def declare(self, name: str) -> Any:  # noqa: ANN401
        """Return the declaration of a column as the YAML has it: a type, or a mapping."""
        column = self.declared[name]
        content = column.model_dump(by_alias=True, exclude_defaults=True)
        return column.type if content.keys() == {"type"} else content

    @property
    def csv_options(self) -> dict[str, Any]:
        """The options of its CSV files as the YAML has them; empty for usual files."""
        return self.csv.model_dump(exclude_defaults=True)

    def propose_keys(self) -> list[str]:
        """Return the first columns that identify each row, or none if no columns do."""
        named: list[str] = []
        for name in [*self.columns_of("text", "integer"), *self.columns_of("time")]:
            if self.rows[name].null_count() == 0:
                named.append(name)
                if not self.rows.select(named).is_duplicated().any():
                    return _drop_needless(self.rows, named)
        return []


def read_sample(name: str, pattern: str) -> Sample:
    """Read the sample files of a table, with the readers of landing.

    Args:
        name: the table.
        pattern: a path with wildcards, on a disk or S3; the files have the same format.
    """
    flag = f"--table {name}={pattern}"
    paths = files.match_files(pattern)
    if not paths:
        raise BadConfig(f"{flag}: no such file. Give the path of a sample file")
    suffixes = {_find_suffix(path) for path in paths}
    if len(suffixes) > 1 or "" in suffixes:
        raise BadConfig(
            f"{flag}: all files must end alike: in .parquet, .csv, .tsv or .jsonl, or these and "
            ".gz or .zst"
        )
    try:
        frames, layout, problems = _read_files(paths)
    except RefusedBatch as error:
        raise BadConfig(f"--table {name}: {error}") from error
    raw = pl.concat(frames, how="diagonal_relaxed")
    if raw.is_empty() or not raw.columns:
        raise BadConfig(f"{flag}: the files have no rows. Give files that have some")
    texts = [column for column in raw if column.dtype == pl.String]
    csv_format = detect_values(texts, layout)
    return _declare_columns(name, suffixes.pop(), tuple(paths), frames, raw, csv_format, problems)


def _declare_columns(
    name: str,
    suffix: str,
    paths: tuple[str, ...],
    frames: Sequence[pl.DataFrame],
    raw: pl.DataFrame,
    csv_format: CsvFormat,
    problems: dict[str, str],
) -> Sample:
    """Return the sample with each column declared, or left out if no type holds its values."""
    names, declared, left_out = map_names(raw.columns), {}, dict(problems)
    guessed = guess_columns({own: raw[original] for original, own in names.items()}, csv_format)
    for original, own in names.items():
        guess = guessed[own]
        if guess is None:
            left_out[original] = f"has values of type {raw[original].dtype}, which no table holds"
            continue
        source = {} if own == original else {"source": original}
        declared[own] = guess.model_copy(update=source)
    kept = {own: raw[column.source or own].alias(own) for own, column in declared.items()}
    rows = [
        cast_column(mark_nulls(kept[own], column, csv_format), column, csv_format).alias(own)
        for own, column in declared.items()
    ]
    return Sample(
        name, suffix, paths, max(frame.height for frame in frames), pl.DataFrame([*kept.values()]),
        pl.DataFrame(rows), declared, csv_format, left_out,
    )  # fmt: skip


def _read_files(paths: Sequence[str]) -> tuple[list[pl.DataFrame], CsvFormat, dict[str, str]]:
    """Return the columns of each file, the layout of the first, and why columns are left out."""
    contents = [decompress(files.read_file(path), path) for path in paths]
    for path, content in zip(paths, contents, strict=True):
        if not is_parquet(path):
            require_text(content, path)
    is_csv = not (is_parquet(paths[0]) or is_json_lines(paths[0]))
    layout = detect_layout(contents[0]) if is_csv else CsvFormat()
    frames, problems = [], dict[str, str]()
    for path, content in zip(paths, contents, strict=True):
        if is_parquet(path):
            frames.append(read_parquet(content, path))
            continue
        if is_json_lines(path):
            frames.append(read_json_lines(content, path))
            continue
        separator = layout.separator or ("\t" if ".tsv" in path.lower() else ",")
        header = read_header(content, layout, separator)
        counts = Counter(header)
        problems |= {each: "occurs several times" for each, count in counts.items() if count > 1}
        problems |= {each: "has no name" for each in counts if not each}
        wanted = [each for each in counts if each not in problems]
        frames.append(read_csv(content, path, layout, wanted))
    return frames, layout, problems


def _find_suffix(path: str) -> str:
    """Return a file's ending without its first dot, as it is written; "" if it is another one."""
    packed = next((end for end in COMPRESSED_SUFFIXES if path.lower().endswith(end)), "")
    plain = path[: len(path) - len(packed)]
    kind = next((end for end in FILE_SUFFIXES if plain.lower().endswith(end)), "")
    return path[len(plain) - len(kind) + 1 :] if kind else ""


def _drop_needless(rows: pl.DataFrame, keys: list[str]) -> list[str]:
    """Return the keys without the columns that are not needed to tell rows apart."""
    for name in list(keys):
        fewer = [other for other in keys if other != name]
        if fewer and not rows.select(fewer).is_duplicated().any():
            keys = fewer
    return keys
