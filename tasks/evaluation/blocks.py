"""Blocks of time for the bootstrap: their assignment, automatic length, and draws.

Rows of one day share weather and queues, and days may resemble their neighbours. So runs of
neighbouring blocks are drawn together: the circular block bootstrap of D. N. Politis and J. P.
Romano, "A circular block-resampling procedure for stationary data", 1992. The length of a run
follows from the autocorrelation of the blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from configs.schema.promotion import Gate
from tasks.evaluation.metrics import Floats

BlockNumbers = NDArray[np.int64]
BlockMetric = Callable[[Floats], Floats]  # draw counts (draws, blocks) → metric (draws,)
MIN_BLOCKS = 5  # fewer all differ in one direction by chance in more than 1 case of 20
_DAY = timedelta(days=1)
_RANDOM_BLOCKS = 100  # of independent rows
_RUNS_LOOKED_AT = 5  # autocorrelations in a row that must be insignificant


def assign_blocks(times: pl.Series, gate: Gate, seed: int, zone: str = "UTC") -> BlockNumbers:
    """Return the block number of each row, 0, 1, … (rows,): its span of gate.block since 1970.

    Independent rows get one of a hundred blocks at random.

    Args:
        times: the rows' prediction times
        gate: whose `block` is the length of a block
        seed: seed of random blocks
        zone: whose midnight begins a block of whole days
    """
    if gate.block is None:
        shuffled: BlockNumbers = np.random.default_rng(seed).permutation(len(times))
        numbers: BlockNumbers = shuffled % _RANDOM_BLOCKS
        return numbers
    width = int(gate.block.total_seconds() * 1_000_000)
    clock = to_clock(times, zone) if gate.block % _DAY == timedelta(0) else times
    spans = clock.dt.epoch("us").to_numpy() // width
    return np.unique(spans, return_inverse=True)[1].astype(np.int64)


def to_clock(times: pl.Series, zone: str) -> pl.Series:
    """Return UTC times as the clocks of a zone show them, without a zone."""
    return (
        times.cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(zone).dt.replace_time_zone(None)
    )


def count_blocks(times: pl.Series, gate: Gate, seed: int, zone: str = "UTC") -> int:
    """Return the number of blocks that rows lie in, as `assign_blocks` numbers them."""
    return len(np.unique(assign_blocks(times, gate, seed, zone)))


def draw_blocks(blocks: int, resamples: int, seed: int, length: int = 1) -> Floats:
    """Return how often each block is drawn in each resample, (resamples, blocks).

    Runs of `length` neighbours are drawn with replacement until `blocks` blocks are drawn; the last
    run is cut. The block after the last one is the first.
    """
    random = np.random.default_rng(seed)
    if length == 1:
        even = np.full(blocks, 1 / blocks)
        return random.multinomial(blocks, even, size=resamples).astype(np.float64)
    whole, rest = divmod(blocks, length)
    counts = _count_runs(random, blocks, resamples, whole, length)
    return counts + _count_runs(random, blocks, resamples, 1, rest) if rest else counts


def _count_runs(
    random: np.random.Generator, blocks: int, resamples: int, runs: int, length: int
) -> Floats:
    even = np.full(blocks, 1 / blocks)
    starts = random.multinomial(runs, even, size=resamples).astype(np.float64)
    counts: Floats = np.sum([np.roll(starts, shift, axis=1) for shift in range(length)], axis=0)
    return counts


def choose_block_length(values: Floats) -> int:
    """Return how many neighbouring blocks to draw together, by the values of the blocks in order.

    The automatic choice for the circular bootstrap of D. N. Politis and H. White, "Automatic
    Block-Length Selection for the Dependent Bootstrap", 2004, as corrected by A. Patton, D. N.
    Politis and H. White, 2009; rounded up, and at most a fifth of the blocks. It is 1 where
    neighbours do not add variance: independent draws are on the safe side then.
    """
    number, spread = len(values), values - np.mean(values)
    variance = float(spread @ spread) / max(number, 1)
    longest = number // MIN_BLOCKS
    # rounding errors of constant values are no spread
    if longest < 2 or variance <= 1e-24 * max(1.0, float(np.max(np.abs(values))) ** 2):
        return 1
    lags = min(int(np.ceil(np.sqrt(number))) + _RUNS_LOOKED_AT, number - 1)
    shifted = [spread[lag:] @ spread[: number - lag] for lag in range(1, lags + 1)]
    covariance = np.array(shifted) / number
    kept = np.arange(1, _find_bandwidth(covariance / variance, number) + 1)
    window = np.minimum(1.0, 2 * (1 - kept / len(kept)))  # flat, then falling to 0
    weighted = 2 * window * covariance[: len(kept)]
    long_run = variance + float(weighted.sum())
    if long_run <= variance:
        return 1
    slope = float((kept * weighted).sum())
    best = (1.5 * slope**2 / long_run**2 * number) ** (1 / 3)
    return int(np.clip(np.ceil(best), 1, longest))


def _find_bandwidth(correlation: Floats, number: int) -> int:
    """Return twice the lag after which the autocorrelations are insignificant, 2 or more."""
    significant = np.abs(correlation) >= 2 * np.sqrt(np.log10(number) / number)
    starts = range(len(correlation) - _RUNS_LOOKED_AT + 1)
    quiet = (lag for lag in starts if not significant[lag : lag + _RUNS_LOOKED_AT].any())
    last = next(quiet, len(correlation))
    return min(2 * max(last, 1), len(correlation))


def merge_runs(values: Floats, length: int) -> Floats:
    """Return the means of runs of `length` values in order, without an incomplete last run."""
    means: Floats = values[: len(values) // length * length].reshape(-1, length).mean(axis=1)
    return means


def leave_blocks_out(measure: BlockMetric, blocks: int) -> Floats:
    """Return the metric without each block in turn, (blocks,)."""
    return measure(np.ones((blocks, blocks)) - np.eye(blocks))


def choose_common_length(gate: Gate, measures: Iterable[BlockMetric], blocks: int) -> int:
    """Return how many neighbouring blocks to draw together: the most that a metric needs.

    A block's value is its influence on the metric, by leaving it out. Independent rows have no
    neighbours.

    Args:
        gate: whose `block` is the shortest run
        measures: metrics or differences of metrics, on drawn blocks
        blocks: number of blocks
    """
    if gate.block is None:
        return 1
    influences = (leave_blocks_out(measure, blocks) for measure in measures)
    return max(choose_block_length(values[np.isfinite(values)]) for values in influences)
