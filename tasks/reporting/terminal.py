"""Tables and foreign text for a terminal, through Rich."""

from __future__ import annotations

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from configs.foreign_text import neutralise_text
from tasks.reporting.table import CellStyle, Table

STYLES: dict[CellStyle, str] = {
    "plain": "", "good": "green", "warning": "yellow", "bad": "bold red", "progress": "cyan",
    "muted": "dim", "raises": "red", "lowers": "blue",
}  # fmt: skip


def render_text(text: str, style: str = "") -> Text:
    """Return foreign text that a terminal shows exactly as it is: no markup, no escape sequence."""
    return Text(neutralise_text(text), style)


def render_terminal(table: Table, *, lines: bool = False) -> RichTable:
    """Return a table for Rich; `lines` draws one between rows."""
    rendered = RichTable(
        title=render_text(table.title) if table.title else None, title_justify="left",
        show_lines=lines, box=box.HEAVY_HEAD,
    )  # fmt: skip
    for column in table.columns:
        rendered.add_column(
            render_text(column.title), justify=column.align, no_wrap=not column.wrap,
            overflow="fold",
        )  # fmt: skip
    for row in table.rows:
        rendered.add_row(*(render_text(cell.text, STYLES[cell.style]) for cell in row))
    return rendered
