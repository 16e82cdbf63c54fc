"""The A/B test of a roll-out: what the decisions that were used have cost, by arm.

Its observations are blocks of time: the mean cost of one arm less that of the other. What the draw
of the entities did to the arms stays the same in all blocks, since an entity keeps its arm; that
variance is added (two-way clusters of A. C. Cameron, J. B. Gelbach and D. L. Miller, "Robust
Inference with Multiway Clustering", 2011). Measured on flights that come daily, with equal models
looked at each week of 110 days: told apart in 15 of 100 tests without it, in 2 with it.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from configs.schema.use_case import UseCase
from tasks.evaluation.confidence_sequence import (
    MIN_SEQUENCE_BLOCKS,
    confidence_bounds,
    sequence_verdict,
)
from tasks.evaluation.maturity import is_mature
from tasks.evaluation.problem_types import problem_type_of
from tasks.features.retrieval import build_labels
from tasks.monitoring.performance import join_labels
from tasks.promotion.gate import Decision
from tasks.promotion.gate_checks import GateCheck
from tasks.rollout.assignment import CHALLENGER, CHAMPION
from tasks.rollout.prediction_log import read_all_predictions, select_used
from tasks.rollout.state import RunningRollout

MIN_ENTITIES = 30
"""Of fewer the draw's variance is a guess."""
_SIGNS = {CHAMPION: 1.0, CHALLENGER: -1.0}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def judge_ab_test(use_case: UseCase, rolls: RunningRollout, as_of: datetime) -> Decision:
    """The verdict on the blocks that are over and mature, looked at as often as one likes.

    Superiority asks for a cost below the champion's; non_inferiority for one not above it by more
    than gate.cost_margin of it. At the planned rows a test without a verdict fails.
    """
    rows, planned = read_arm_costs(use_case, rolls, as_of), rolls.rows or 0
    blocks, entities = rows["block"].n_unique(), rows["entity"].n_unique()
    enough = blocks >= MIN_SEQUENCE_BLOCKS and entities >= MIN_ENTITIES
    counted = GateCheck(
        "labelled rows",
        f"{MIN_SEQUENCE_BLOCKS} blocks and {MIN_ENTITIES} entities or more; "
        f"final at {planned} rows",
        f"{rows.height} rows in {blocks} blocks, of {entities} entities",
        "pass" if enough else "wait",
    )
    sizes = {"rows": rows.height, "blocks": blocks, "entities": entities, "planned_rows": planned}
    if not enough:
        reason = f"{counted.measured}; asked: {counted.asked}"
        return Decision("wait", reason, {**sizes, "gates": [asdict(counted)]})
    found = compare_arms(use_case, rows, planned)
    lines = [asdict(counted), *found.evidence["gates"]]
    return Decision(found.verdict, found.reason, {**found.evidence, **sizes, "gates": lines})


def compare_arms(use_case: UseCase, rows: pl.DataFrame, planned: int) -> Decision:
    """The verdict on such rows, of two blocks at least."""
    gate, blocks = use_case.gate, costs_by_block(rows)
    means = {arm: float(np.mean(blocks[arm].to_numpy())) for arm in _SIGNS}
    a_block = float(
        np.mean(blocks["rows"].head(MIN_SEQUENCE_BLOCKS).to_numpy())
    )  # rows, told early on
    improvements = (blocks[CHAMPION] - blocks[CHALLENGER]).to_numpy()
    found = confidence_bounds(improvements, planned / a_block, gate.confidence, draw_variance(rows))
    bar = 0.0 if gate.rule == "superiority" else -gate.cost_margin * abs(means[CHAMPION])
    said, reason = sequence_verdict(found, bar, at_size=rows.height >= planned)
    line = GateCheck(
        "cost by arm",
        f"{gate.rule}: better by more than {bar:g} with {gate.confidence:.4g} at all times",
        f"{means[CHALLENGER]:.4f} against {means[CHAMPION]:.4f}: improvement "
        f"{found.improvement:+.4f} [{found.low:+.4f}, {found.high:+.4f}]",
        said,
    )
    evidence = {"cost": means, "bounds": asdict(found), "bar": bar, "gates": [asdict(line)]}
    return Decision(said, f"cost {line.measured}; {reason}", evidence)


def read_arm_costs(use_case: UseCase, rolls: RunningRollout, as_of: datetime) -> pl.DataFrame:
    """The labelled rows of the blocks (of gate.block; days, if rows are independent) that are
    over, mature and have both arms: block (number), entity, arm, cost of the decision used.
    """
    width = use_case.gate.block or timedelta(days=1)
    given = select_used(read_all_predictions(use_case, rolls.since, as_of))
    known = join_labels(use_case, given, build_labels(use_case, rolls.since, as_of, as_of))
    kind, label = problem_type_of(use_case), known[use_case.label.column]
    decision = kind.to_decision_array(known["decision"])
    paid = kind.measure_costs(label.fill_null(0).to_numpy(), decision, use_case.evaluation.cost)
    rows = known.select(
        "arm",
        block=pl.col(use_case.spine.time).dt.epoch("us") // (width // timedelta(microseconds=1)),
        entity=pl.struct(rolls.unit),
        cost=pl.Series(paid, dtype=pl.Float64),
        labelled=label.is_not_null(),
    )
    coverage = pl.col("labelled").mean().over("block")
    mature = is_mature(coverage, use_case.label.min_coverage)
    over = pl.col("block") < (as_of - _EPOCH) // width
    labelled = rows.filter(mature, over, "labelled").drop("labelled")
    return labelled.filter(pl.col("arm").n_unique().over("block") == 2)


def costs_by_block(rows: pl.DataFrame) -> pl.DataFrame:
    """Of such rows, each block's number of rows and its mean cost by arm, in order of time."""
    means = [pl.col("cost").filter(pl.col("arm") == arm).mean().alias(arm) for arm in _SIGNS]
    return rows.group_by("block").agg(pl.len().alias("rows"), *means).sort("block")


def draw_variance(rows: pl.DataFrame) -> float:
    """What the draw of the entities adds to the variance of the mean over blocks: by entities, less
    what the blocks know of already, with a correction for few entities.
    """
    arm, blocks = ["block", "arm"], rows["block"].n_unique()
    spread = pl.col("cost") - pl.col("cost").mean().over(arm)
    sign = pl.col("arm").replace_strict(_SIGNS, return_dtype=pl.Float64)
    influence = rows.select("block", "entity", by=sign * spread / pl.len().over(arm) / blocks)
    entities, cells = (
        influence.group_by(keys).agg(pl.col("by").sum())["by"]
        for keys in (["entity"], ["entity", "block"])
    )
    number = len(entities)
    between = float(np.square(entities.to_numpy()).sum() - np.square(cells.to_numpy()).sum())
    return max(between, 0.0) * number / (number - 2)
