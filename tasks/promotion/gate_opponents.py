"""Opponents of a first champion, and results that are too good to be true.

A first champion must beat the columns of `gate.opponents`: a simple forecast like the value a week
ago, or the predictions of what it replaces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from configs.errors import BadConfig
from configs.schema.base import Metric
from configs.schema.use_case import UseCase
from tasks.evaluation.alpha_spending import GateLook
from tasks.evaluation.blocks import count_blocks
from tasks.evaluation.bootstrap import Difference, Predictions, compare_models
from tasks.evaluation.giveaways import find_giveaways, list_suspects
from tasks.evaluation.metrics import METRIC_NAMES
from tasks.evaluation.problem_types import Threshold, problem_type_of
from tasks.ledger.evidence import GateCheck, Promoted, read_evidence
from tasks.ledger.log import Entry
from tasks.promotion.gate_checks import check_improvement, check_row_count

LARGEST_JUMP = 0.5  # share of the champion's error that a retrained model may remove unasked
LARGEST_FIRST_JUMP = 0.99  # the same of the error of a constant
EARLY_LABELS = 0.05  # share of labels that may be known when their row is predicted
_BOUNDED: tuple[Metric, ...] = ("roc_auc", "pr_auc", "accuracy")  # 1 is without an error
_ERRORS: tuple[Metric, ...] = ("rmse", "mae", "brier", "log_loss")


def compare_opponents(
    use_case: UseCase,
    rows: pl.DataFrame,
    new: Predictions,
    threshold: Threshold,
    gate_look: GateLook,
) -> list[tuple[GateCheck, Difference | None]]:
    """Require that a first champion beats each opponent on the rows where that has a value.

    BadConfig if an opponent is no column of the rows.

    Args:
        use_case: the use case with its opponents
        rows: fresh labelled rows
        new: predictions of the candidate
        threshold: decision threshold of the candidate
        gate_look: the look that is due
    """
    return [
        _compare_opponent(use_case, rows, new, threshold, gate_look, column)
        for column in use_case.gate.opponents
    ]


def _compare_opponent(
    use_case: UseCase,
    rows: pl.DataFrame,
    new: Predictions,
    threshold: Threshold,
    gate_look: GateLook,
    column: str,
) -> tuple[GateCheck, Difference | None]:
    if column not in rows.columns:
        raise BadConfig(
            f"{use_case.name}: gate.opponents: {column!r} not found among the columns of the "
            "rows. Name an input, or return the column from the spine function"
        )
    gate, kind = use_case.gate, problem_type_of(use_case)
    value = rows[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
    known = np.isfinite(value)
    name, own = f"{gate.metric} against {column}", rows.filter(pl.Series(known))
    label = own[use_case.label.column].to_numpy().astype(np.float64)
    blocks = count_blocks(own[use_case.spine.time], gate, use_case.seed, use_case.zone)
    counted = check_row_count(name, gate.min_rows, label, blocks, kind)
    if counted.verdict == "wait":
        return counted, None
    old = Predictions(value[known], kind.decide(value[known], threshold))
    difference = compare_models(
        use_case,
        own,
        new.select_rows(known),
        old,
        share=gate_look.share,
        sliced=False,
        by_risk=gate.rule == "expected_gain",
    )[0]
    check = replace(check_improvement(gate, difference, final=gate_look.final), gate=name)
    return check, replace(difference, subject=name)


def find_doubts(
    use_case: UseCase,
    rows: pl.DataFrame,
    differences: Mapping[str, Difference],
    entries: Sequence[Entry],
    *,
    first: bool,
) -> list[str]:
    """Return the reasons why a result may be too good to be true; empty without any.

    Args:
        use_case: the use case
        rows: fresh labelled rows with inputs and the time at which each label was known
        differences: what the gate measured, by subject
        entries: the model's ledger
        first: whether there is no champion yet
    """
    suspects, label = list_suspects(use_case, rows), use_case.label
    giveaways = find_giveaways(rows, suspects, label.column, label.kind)
    doubts = [each.describe() for each in giveaways]
    doubts += _find_early_labels(use_case, rows)
    metric = use_case.gate.metric
    if metric in differences:
        doubts += _find_jump(metric, differences[metric], entries, first=first)
    return doubts


def check_doubts(doubts: Sequence[str]) -> GateCheck:
    """Return the row of the table that says why a person must approve."""
    measured = "; ".join(doubts)
    return GateCheck("too good to be true", "a person approves", measured, "not asked")


def _find_early_labels(use_case: UseCase, rows: pl.DataFrame) -> Iterator[str]:
    known, time = use_case.label.known_time, use_case.spine.time
    if known not in rows.columns or rows.is_empty():
        return
    early = rows.filter(pl.col(known) <= pl.col(time)).height
    if early > EARLY_LABELS * rows.height:
        yield f"{early} of {rows.height} labels were known when their rows were predicted"


def _find_jump(
    metric: Metric, difference: Difference, entries: Sequence[Entry], *, first: bool
) -> Iterator[str]:
    """Yield the doubt about a share of the error that no earlier promotion removed."""
    removed = removed_error(metric, difference)
    if removed is None:
        return
    earlier = [0.0] if first else [*_list_earlier_jumps(metric, entries), 0.0]
    largest = LARGEST_FIRST_JUMP if first else max(LARGEST_JUMP, max(earlier))
    if removed > largest:
        name = METRIC_NAMES.get(metric, metric)
        yield (
            f"{name} {difference.challenger:.4g} against {difference.champion:.4g}: {removed:.1%} "
            f"of the error is gone, at most {max(earlier):.1%} in earlier promotions"
        )


def removed_error(metric: Metric, difference: Difference) -> float | None:
    """Return the share of the old error that the challenger removes; None without an error."""
    if metric in _BOUNDED:
        new, old = 1 - difference.challenger, 1 - difference.champion
    elif metric in _ERRORS:
        new, old = difference.challenger, difference.champion
    else:
        return None
    return 1 - new / old if old > 0 and np.isfinite(new) else None


def _list_earlier_jumps(metric: Metric, entries: Sequence[Entry]) -> Iterator[float]:
    for entry in entries:
        if entry.what == "promoted":
            evidence = read_evidence(entry, Promoted)
            difference = evidence.differences.get(metric)
            if difference is not None and evidence.champion_version is not None:
                yield removed_error(metric, difference) or 0.0
