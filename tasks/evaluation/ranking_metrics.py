"""Ranking metrics on drawn blocks: area under the ROC curve, and average precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation.blocks import BlockMetric, BlockNumbers
from tasks.evaluation.metrics import Floats

_CHUNK = 64  # draws of average precision at once: bounds memory at 64 x positives


@dataclass(frozen=True)
class BlockedLabels:
    """The label and block of each row (rows,), and the number of blocks to draw from."""

    label: Floats
    block: BlockNumbers
    block_count: int


def block_roc_auc(rows: BlockedLabels, probability: Floats) -> BlockMetric:
    """Return the function for the area under the ROC curve, from pairs counted by block."""
    # It is the share of pairs of an event and a non-event in the right order; a tie counts half.
    event = rows.label == 1
    wins = _count_wins(rows, probability, event)
    events = np.bincount(rows.block[event], minlength=rows.block_count)
    nones = np.bincount(rows.block[~event], minlength=rows.block_count)
    return lambda draws: divide_counts(
        ((draws @ wins) * draws).sum(axis=1), (draws @ events) * (draws @ nones)
    )


def _count_wins(rows: BlockedLabels, probability: Floats, event: NDArray[np.bool_]) -> Floats:
    """Count correctly ranked pairs: [i, j] of events in block i and non-events in block j."""
    order = np.argsort(probability)
    lower, upper = _count_events_below(probability[order], event[order])
    below, upto = np.empty_like(lower), np.empty_like(upper)
    below[order], upto[order] = lower, upper
    none = np.flatnonzero(~event)
    none = none[np.argsort(rows.block[none], kind="stable")]
    bounds = np.searchsorted(rows.block[none], np.arange(1, rows.block_count))
    block = rows.block[order][event[order]]  # of the events, by score
    wins = np.empty((rows.block_count, rows.block_count))
    places = zip(np.split(below[none], bounds), np.split(upto[none], bounds), strict=True)
    for j, place in enumerate(places):
        # each non-event ranks below all events from one position on
        passed = np.bincount(np.concatenate(place), minlength=len(block) + 1).cumsum() / 2
        wins[:, j] = np.bincount(block, passed[:-1], minlength=rows.block_count)
    return wins


def _count_events_below(
    scores: Floats, event: NDArray[np.bool_]
) -> tuple[BlockNumbers, BlockNumbers]:
    """Return the number of events below each sorted score, and of those not above it, (rows,)."""
    counts = np.concatenate([[0], np.cumsum(event)])
    starts = np.flatnonzero(np.concatenate([[True], scores[1:] != scores[:-1]]))
    ends = np.append(starts[1:], len(scores))
    return np.repeat(counts[starts], ends - starts), np.repeat(counts[ends], ends - starts)


def block_average_precision(rows: BlockedLabels, probability: Floats) -> BlockMetric:
    """Return the function for precision at each event's score, weighted by the added recall."""
    event = rows.label == 1
    cuts, at = np.unique(-probability[event], return_inverse=True)  # from the highest score on
    first = np.searchsorted(cuts, -probability)  # the first cut that flags the row, if any
    caught = _count_flagged(rows, rows.block[event], at, len(cuts))
    flagged = _count_flagged(rows, rows.block, first, len(cuts))

    def chunk(draws: Floats) -> Floats:
        hits = draws @ caught
        precision = divide_counts(hits, draws @ flagged)
        added = np.diff(hits, axis=1, prepend=0.0)
        return divide_counts((added * np.nan_to_num(precision)).sum(axis=1), hits[:, -1])

    return lambda draws: np.concatenate(
        [chunk(draws[at : at + _CHUNK]) for at in range(0, len(draws), _CHUNK)]
    )


def _count_flagged(
    rows: BlockedLabels, block: BlockNumbers, cut: BlockNumbers, cuts: int
) -> Floats:
    """Count the rows of each block that each cut flags, (blocks, cuts)."""
    width = cuts + 1  # one more for rows that no cut flags
    counts = np.bincount(block * width + cut, minlength=rows.block_count * width)
    return counts.reshape(rows.block_count, width)[:, :-1].cumsum(axis=1).astype(np.float64)


def divide_counts(above: Floats, below: Floats) -> Floats:
    """Divide; NaN where the denominator is 0."""
    empty = np.full(np.shape(above), np.nan)
    return np.asarray(np.divide(above, below, out=empty, where=below != 0))
