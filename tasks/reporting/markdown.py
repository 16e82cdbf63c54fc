"""Tables, images and foreign text as Markdown."""

from __future__ import annotations

import base64
import re

from configs.foreign_text import fold_text
from tasks.reporting.table import Cell, CellStyle, Column, Table

_STRONG: frozenset[CellStyle] = frozenset({"bad", "warning"})
_SPECIAL = re.compile(
    r"[\\`*|~$]"
    r"|(?<!\w)_|_(?!\w)"  # within a word it is no emphasis, and names stay readable
    r"|\](?=[(\[:])"  # a bracket alone makes no link
    r"|:(?=//)|(?<=www)\.|@"  # GitHub's dialect makes links of addresses
    r"|^\s*(?:#+|-+|\+|\d+[.)]|=+)(?=\s|$)"  # a heading, a list or a rule at the start
)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escape_markdown(text: str) -> str:
    """Return foreign text that Markdown, and HTML made of it, show exactly as it is, on one line.

    It makes no link, image, tag, code or table cell.
    """
    marked = _SPECIAL.sub(_escape_match, fold_text(text).strip())
    return re.sub("[&<>]", lambda match: _ENTITIES[match[0]], marked)


def format_code(text: str) -> str:
    """Return foreign text as inline code; a backtick becomes an apostrophe."""
    return f"`{fold_text(text).replace('`', chr(39))}`"


def render_markdown(table: Table) -> str:
    """Return a table in Markdown, without its title; `(none)` if it has no rows."""
    if not table.rows:
        return "(none)"
    lines = [
        [escape_markdown(column.title) for column in table.columns],
        [_rule(column) for column in table.columns],
        *([_render_cell(cell) for cell in row] for row in table.rows),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def inline_image(png: bytes) -> str:
    """Return an address that holds a PNG itself."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _rule(column: Column) -> str:
    return "---:" if column.align == "right" else "---"


def _render_cell(cell: Cell) -> str:
    text = escape_markdown(cell.text)
    return f"**{text}**" if cell.style in _STRONG and text else text


def _escape_match(match: re.Match[str]) -> str:
    text = match[0]
    return f"{text[:-1]}\\{text[-1]}" if len(text) > 1 else f"\\{text}"
