"""Lines of text that fit into 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import yaml

WIDTH = 100
_STUCK = "\x00"  # stands for a blank that is no place to break a line


def call(head: str, parts: Sequence[str], tail: str = ")") -> str:
    """`head part, part tail`, as ruff formats it: on one line, or with one part a line."""
    line = head + ", ".join(parts) + tail
    if len(line) <= WIDTH:
        return line
    indent = " " * (len(head) - len(head.lstrip()))
    return "\n".join([head, *(f"{indent}    {part}," for part in parts), indent + tail])


def doc(text: str, indent: str = "    ") -> str:
    """A docstring, on one line or below its first one."""
    line = f'{indent}"""{text}"""'
    if len(line) <= WIDTH:
        return line
    first, *others = textwrap.wrap(text, WIDTH - len(indent) - 3)
    return "\n".join([f'{indent}"""{first}', *(indent + o for o in others), f'{indent}"""'])


def names(columns: Sequence[str]) -> str:
    """A tuple of texts, in one line."""
    inner = ", ".join(quoted(column) for column in columns)
    return f"({inner},)" if len(columns) == 1 else f"({inner})"


def quoted(text: str) -> str:
    """A text as Python writes it, in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def flow(head: str, parts: Sequence[str], ends: str = "[]") -> str:
    """A list of YAML in brackets, or with `ends` {} a mapping, wrapped below its own beginning."""
    if not parts:
        return head + ends
    inside = textwrap.fill(
        ", ".join(part.replace(" ", _STUCK) for part in parts),
        WIDTH - 1,
        initial_indent=head + ends[0],
        subsequent_indent=" " * (len(head) + 1),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return inside.replace(_STUCK, " ") + ends[1]


def scalar(text: str) -> str:
    """A text as YAML writes it, quoted where it must be."""
    return str(yaml.safe_dump(text, width=1000, allow_unicode=True)).splitlines()[0]
