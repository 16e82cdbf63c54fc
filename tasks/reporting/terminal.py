"""Tables and foreign text for a terminal, through Rich."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from configs.foreign_text import neutralise_text
from tasks.reporting.table import CellStyle, Column, Table

STYLES: dict[CellStyle, str] = {
    "plain": "", "good": "green", "warning": "yellow", "bad": "bold red", "progress": "cyan",
    "muted": "dim", "raises": "red", "lowers": "blue",
}  # fmt: skip
_FOLDED = 24  # characters; a longer word may be folded into several lines
_FRAME = 3  # characters of a column's border and padding


def render_text(text: str, style: str = "") -> Text:
    """Return foreign text that a terminal shows exactly as it is: no markup, no escape sequence."""
    return Text(neutralise_text(text), style)


def render_terminal(table: Table, *, lines: bool = False) -> TerminalTable:
    """Return a table for Rich; `lines` draws one between rows."""
    return TerminalTable(table, lines)


@dataclass(frozen=True)
class TerminalTable:
    """A table that fits any terminal: no cell loses a character.

    A table that is too wide for the terminal is shown row by row, a line for each cell.
    """

    table: Table
    lines: bool = False

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the grid, or the rows below each other."""
        widths = _fit_widths(self.table, options.max_width)
        if widths is None:
            yield from _stack_rows(self.table)
        else:
            yield _draw_grid(self.table, widths, lines=self.lines)


def _fit_widths(table: Table, available: int) -> list[int] | None:
    """Return the width of each column; None if their words do not fit beside each other."""
    texts = [
        [column.title, *(row[place].text for row in table.rows)]
        for place, column in enumerate(table.columns)
    ]
    wanted = [max(map(_measure_line, each)) for each in texts]
    needed = [
        _measure_need(column, each) for column, each in zip(table.columns, texts, strict=True)
    ]
    spare = available - _FRAME * len(table.columns) - 1 - sum(needed)
    if spare < 0:
        return None
    widths = list(needed)
    gaps = [want - need for want, need in zip(wanted, needed, strict=True)]
    for left, place in enumerate(
        sorted(range(len(gaps)), key=gaps.__getitem__)
    ):  # short ones first
        extra = max(0, min(gaps[place], spare // (len(gaps) - left)))
        widths[place] += extra
        spare -= extra
    return widths


def _measure_need(column: Column, texts: Sequence[str]) -> int:
    """Return the least width of a column: its longest cell if it must not break, or word."""
    if not column.wrap:
        return max(map(_measure_line, texts))
    words = (cell_len(neutralise_text(word)) for text in texts for word in text.split())
    return max(1, *(min(_FOLDED, word) for word in words), 1)


def _measure_line(text: str) -> int:
    return max((cell_len(neutralise_text(line)) for line in text.splitlines()), default=1)


def _draw_grid(table: Table, widths: Sequence[int], *, lines: bool) -> RichTable:
    rendered = RichTable(
        title=render_text(table.title) if table.title else None, title_justify="left",
        show_lines=lines, box=box.HEAVY_HEAD,
    )  # fmt: skip
    for column, width in zip(table.columns, widths, strict=True):
        rendered.add_column(
            render_text(column.title), justify=column.align, width=width, overflow="fold"
        )
    for row in table.rows:
        rendered.add_row(*(render_text(cell.text, STYLES[cell.style]) for cell in row))
    return rendered


def _stack_rows(table: Table) -> Iterator[Text]:
    if table.title:
        yield render_text(table.title, "italic")
    for row in table.rows:
        yield Text("")
        for column, cell in zip(table.columns, row, strict=True):
            title = Text(f"{neutralise_text(column.title)}: " if column.title else "", "bold")
            yield title.append_text(render_text(cell.text, STYLES[cell.style]))
