"""Values as literals of Python and YAML source, and the check that templates write nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import yaml

_PLAIN_YAML = re.compile(r"[A-Za-z_]\w*( \w+)*", re.ASCII)
_NEVER_WRAPPED = 1_000_000_000


class SourceText(str):
    """Text that is already valid source code."""

    __slots__ = ()


def format_python(value: str | int | float | timedelta) -> SourceText:
    """Return a value as a Python expression; a text is quoted as ruff would quote it."""
    if isinstance(value, timedelta):
        return _format_timedelta(value)
    if not isinstance(value, str):
        return SourceText(repr(value))
    # with both quotes in front, repr chooses single quotes and escapes those alone
    body = repr("'\"" + value)[4:-1]
    if value.count('"') > value.count("'"):
        return SourceText(f"'{body}'")
    double_quoted = body.replace("\\'", "'").replace('"', '\\"')
    return SourceText(f'"{double_quoted}"')


def format_yaml(value: str | datetime | Mapping[str, Any] | Iterable[str]) -> SourceText:
    """Return a value as YAML: a text, the day of a datetime, a mapping, or a list of texts."""
    if isinstance(value, datetime):
        return SourceText(value.date().isoformat())
    if isinstance(value, Mapping):
        pairs = (f"{format_yaml(key)}: {format_yaml(part)}" for key, part in value.items())
        return SourceText(f"{{{', '.join(pairs)}}}")
    if not isinstance(value, str):
        return SourceText(f"[{', '.join(format_yaml(text) for text in value)}]")
    # yes, null and the like are no texts unless they are quoted
    if _PLAIN_YAML.fullmatch(value) and yaml.safe_load(value) == value:
        return SourceText(value)
    dumped = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=_NEVER_WRAPPED)
    return SourceText(dumped.rstrip("\n"))


def join_names(names: Iterable[str]) -> SourceText:
    """Return Python names with commas between them, as an import lists them."""
    return SourceText(", ".join(str(require_source(name)) for name in names))


def require_source(value: object) -> object:
    """Return what a template is about to write, if it is a name, a number or a literal.

    Other text would come from a sample or a person, and could break the file that it is written in.
    """
    if isinstance(value, SourceText | int | float):
        return value
    if isinstance(value, str) and re.fullmatch(r"[\w.]*", value):
        return value
    raise ValueError(f"{value!r} is no name; the template must write it through `py` or `yaml`")


def _format_timedelta(span: timedelta) -> SourceText:
    minutes = int(span.total_seconds() // 60)
    for unit, size in (("days", 1440), ("hours", 60)):
        if minutes % size == 0:
            return SourceText(f"timedelta({unit}={minutes // size})")
    return SourceText(f"timedelta(minutes={minutes})")
