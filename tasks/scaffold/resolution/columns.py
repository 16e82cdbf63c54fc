"""Columns that the answers name: as the files name them, or as the lake does."""

from __future__ import annotations

from collections.abc import Mapping

from configs.errors import BadConfig
from tasks.scaffold.plan import AskQuestion
from tasks.scaffold.sample import Sample


def resolve_columns(
    answers: Mapping[str, str], sample: Sample, flag: str, proposal: str, ask: AskQuestion
) -> tuple[str, ...]:
    """Return the columns that an answer names; they must be columns of the table.

    Args:
        answers: the flag's values by table.
        sample: the table's sample.
        flag: the flag that is named in messages.
        proposal: the answer that the sample suggests, or "".
        ask: asks if the flag is not given.
    """
    name = sample.name
    question = f"{flag[2:].replace('-', ' ').capitalize()} of {name}"
    answer = answers.get(name) or ask(f"{flag} {name}=…", question, proposal)
    columns = tuple(part.strip() for part in answer.split(",") if part.strip())
    columns = tuple(_find_column(sample, f"{flag} {name}={answer}", each) for each in columns)
    if not columns or (flag != "--keys" and flag != "--join" and len(columns) > 1):
        existing = ", ".join(sample.columns)
        raise BadConfig(f"{flag} {name}={answer}: give one column. Columns: {existing}")
    return columns


def _find_column(sample: Sample, flag: str, column: str) -> str:
    """Return the lake's name of a column, which an answer names as the files or the lake do."""
    name = sample.find_column(column)
    if name is None:
        reason = sample.left_out.get(column)
        if reason:
            raise BadConfig(f"{flag}: column {column!r} {reason}. Rename or convert it")
        raise BadConfig(f"{flag}: no column {column!r}. Columns: {', '.join(sample.columns)}")
    return name
