"""Markdown that people read: tables of rows."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any


def inline_image(png: bytes) -> str:
    """An address that holds a PNG itself."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def markdown_table(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table of rows that share their keys; numbers to four digits."""
    if not rows:
        return "(none)"
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_cell(v) for v in r.values()] for r in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value == int(value or 0) and abs(value) > 1 else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")
