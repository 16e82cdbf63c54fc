"""Tables of a report: titles and cells, before a terminal, Markdown or HTML shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.reporting.formats import format_value

CellStyle = Literal["plain", "good", "warning", "bad", "progress", "muted", "raises", "lowers"]
SEVERITY_STYLES: dict[str, CellStyle] = {
    "ok": "plain", "inform": "plain", "ticket": "warning", "page": "bad",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """The text of a cell, and what it means: a style for a verdict or a severity."""

    text: str
    style: CellStyle = "plain"


@dataclass(frozen=True)
class Column:
    """The title of a column, its alignment, and whether its cells may break into lines."""

    title: str
    align: Literal["left", "right"] = "left"
    wrap: bool = True


@dataclass(frozen=True)
class Table:
    """Rows of cells under titled columns; every row has one cell for each column.

    Texts are raw: each renderer escapes what its output would interpret.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def records(self) -> list[dict[str, str]]:
        """Return the rows as dicts of texts by column title."""
        titles = [column.title for column in self.columns]
        return [dict(zip(titles, (cell.text for cell in row), strict=True)) for row in self.rows]


def build_table(
    columns: Sequence[str | Column], rows: Iterable[Sequence[object]], title: str = ""
) -> Table:
    """Return a table of values; a column named by its title alone is aligned by its values.

    Args:
        columns: Titles, or columns where alignment or wrapping matters.
        rows: A value or `Cell` for each column: text, number, moment, or None for missing.
        title: The caption, if it has one.
    """
    values = [tuple(row) for row in rows]
    if wrong := [len(row) for row in values if len(row) != len(columns)]:
        raise ValueError(f"a row has {wrong[0]} cells, and the table has {len(columns)} columns")
    built = tuple(
        column
        if isinstance(column, Column)
        else Column(column, _find_alignment([row[place] for row in values]))
        for place, column in enumerate(columns)
    )
    cells = tuple(tuple(build_cell(value) for value in row) for row in values)
    return Table(title, built, cells)


def build_record_table(records: Sequence[Mapping[str, object]], title: str = "") -> Table:
    """Return a table of records that share their keys, which become the column titles."""
    titles = list(records[0]) if records else []
    return build_table(titles, [[row[name] for name in titles] for row in records], title)


def build_cell(value: object) -> Cell:
    """Return a value as a cell."""
    return value if isinstance(value, Cell) else Cell(format_value(value))


def transpose_table(table: Table) -> Table:
    """Return the table with a column for each row; the first cell of a row becomes its title."""
    titles = (Column(""), *(Column(row[0].text, "right") for row in table.rows))
    rows = tuple(
        (Cell(column.title), *(row[place] for row in table.rows))
        for place, column in enumerate(table.columns)
        if place
    )
    return Table(table.title, titles, rows)


def _find_alignment(values: Sequence[object]) -> Literal["left", "right"]:
    known = [value for value in values if value is not None]
    numeric = bool(known) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in known
    )
    return "right" if numeric else "left"
