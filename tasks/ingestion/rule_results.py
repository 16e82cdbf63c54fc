"""Results of validation rules, read from Great Expectations: names, bounds, failures, examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tasks.features.raw_tables import FILE_COLUMN

_EXAMPLES, _LONGEST = 5, 80
_BOUNDS = {"min_value": "at least", "max_value": "at most"}


@dataclass(frozen=True)
class RuleResult:
    """One rule on the rows of a table, or on a file: what it allows, and what it found.

    `file` is empty for rules on rows, which are judged together. `checked` and `failed` count rows,
    or files.
    """

    table: str
    rule: str
    allowed: str
    file: str
    checked: int
    failed: int
    examples: tuple[str, ...] = ()


def read_rule_results(table: str, results: list[Any], file: str = "") -> Iterator[RuleResult]:
    """Yield the result of each rule of a suite.

    Args:
        table: name of the table.
        results: of Great Expectations.
        file: path of the file, for rules on a whole file.
    """
    for one in results:
        outcome = one.result or {}
        values = outcome.get("partial_unexpected_list") or [outcome.get("observed_value")]
        failed = outcome.get("unexpected_count", int(not one.success)) if not file else 0
        yield RuleResult(
            table=table,
            rule=name_rule(one),
            allowed=describe_allowed(one),
            file=file,
            checked=1 if file else int(outcome.get("element_count") or 0),
            failed=int(not one.success) if file else int(failed),
            examples=() if one.success else _pick_examples(values),
        )


def name_rule(result: Any) -> str:  # noqa: ANN401
    """Return a rule's name and columns, such as `values_to_be_between(wind_speed)`."""
    config = result.expectation_config
    kind = re.sub(r"^expect_(column_(?=values)|column_|table_)?", "", config.type)
    single = (config.kwargs.get(p) for p in ("column", "column_A", "column_B"))
    columns = [
        name for name in (*single, *config.kwargs.get("column_list", ())) if name != FILE_COLUMN
    ]
    return f"{kind}({', '.join(name for name in columns if name)})"


def describe_failure(result: Any) -> str:  # noqa: ANN401
    """Return the rule that a file breaks, the observed value and the allowed ones."""
    kwargs = result.expectation_config.kwargs
    observed = result.result.get("observed_value")
    return f"{name_rule(result)} found {observed}, allowed: {describe_allowed(result) or kwargs}"


def describe_allowed(result: Any) -> str:  # noqa: ANN401
    """Return the bounds or values that a rule allows; empty if its name says everything."""
    kwargs = result.expectation_config.kwargs
    bounds = [f"{word} {kwargs[b]}" for b, word in _BOUNDS.items() if kwargs.get(b) is not None]
    values = [str(value) for value in kwargs.get("value_set") or ()]
    return " and ".join(bounds) or ", ".join(values)


def _pick_examples(values: list[Any]) -> tuple[str, ...]:
    """Return a few distinct values, each cut to a readable length."""
    texts = dict.fromkeys(f"{value}"[:_LONGEST] for value in values)
    return tuple(texts)[:_EXAMPLES]
