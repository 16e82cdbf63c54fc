"""The examples of docs/files.md: tables of the YAML, files, and what becomes of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
import yaml
from markdown_it import MarkdownIt

from configs.schema.data import Table
from configs.settings import ROOT

KNOWN_FROM = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class PageExample:
    """Blocks of the page: `steps` are tables and files in their order, `expected` the outcome.

    The info of a block is its language, and the name of the file behind it.
    """

    steps: list[tuple[str, str]]
    expected: tuple[str, str]

    @property
    def is_story(self) -> bool:
        """Whether its files have names, so that they land one after the other."""
        return any(info.startswith("csv ") for info, _ in self.steps)


def read_page_examples() -> list[PageExample]:
    """Each example ends in a block of JSON or text."""
    examples, steps = [], []
    for token in MarkdownIt().parse((ROOT / "docs/files.md").read_text()):
        if token.type != "fence":
            continue
        if token.info in ("json", "text"):
            examples.append(PageExample(steps, (token.info, token.content)))
            steps = []
        else:
            steps.append((token.info, token.content))
    assert not steps
    return examples


def read_table(text: str) -> Table:
    """The table of a YAML block: the first column is the key, `sent` the time if there is one."""
    fields: dict[str, Any] = yaml.safe_load(text)
    columns = fields["columns"]
    times: dict[str, Any] = {"known_from": KNOWN_FROM}
    if "sent" in columns and "known_from" not in fields and columns["sent"] == "time":
        times = {"event_time": "sent", "known_time": "sent"}
    usual = {"files": "table/*.csv", "keys": [next(iter(columns))], "suite": "page"}
    return Table.model_validate(usual | times | fields)


def page(_: datetime) -> list[Any]:
    """The suite of every table."""
    from expectations.rules import some_rows

    return [some_rows(1000)]


def to_plain(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as the JSON blocks write them."""
    text = json.dumps(rows.to_dicts(), default=lambda at: f"{at:%Y-%m-%d %H:%M:%S}")
    plain: list[dict[str, Any]] = json.loads(text)
    return plain
