"""The A/B test of a roll-out: what the decisions that were used have cost, by arm."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from configs.use_case import UseCase
from tasks.assignment import CHALLENGER, CHAMPION
from tasks.evaluation import decision_costs
from tasks.features import labels
from tasks.gates import Line
from tasks.performance import with_labels
from tasks.predictions import answers, used
from tasks.promotion import Decision
from tasks.rollout import Rolling
from tasks.sequential import MIN_BLOCKS, Bounds, bounds, verdict

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ab_test(use_case: UseCase, rolls: Rolling, as_of: datetime) -> Decision:
    """The verdict on the blocks that are over and mature, looked at as often as one likes.

    Superiority asks for a cost below the champion's; non_inferiority for one not above it by more
    than gate.cost_margin of it. At the planned rows a test without a verdict fails.
    """
    blocks = by_block(use_case, rolls, as_of)
    rows, planned = int(blocks["rows"].sum()), rolls.rows or 0
    enough = blocks.height >= MIN_BLOCKS
    counted = Line(
        "labelled rows",
        f"{MIN_BLOCKS} blocks or more; final at {planned} rows",
        f"{rows} rows in {blocks.height} blocks",
        "pass" if enough else "wait",
    )
    evidence: dict[str, Any] = {"rows": rows, "blocks": blocks.height, "planned_rows": planned}
    if not enough:
        reason = f"{counted.measured}; asked: {counted.asked}"
        return Decision("wait", reason, {**evidence, "gates": [asdict(counted)]})
    means = {arm: _mean(blocks[arm]) for arm in (CHALLENGER, CHAMPION)}
    found = _bounds(use_case, blocks, planned)
    gate = use_case.gate
    bar = 0.0 if gate.rule == "superiority" else -gate.cost_margin * abs(means[CHAMPION])
    said, reason = verdict(found, bar, at_size=rows >= planned)
    cost = Line(
        "cost by arm",
        f"{gate.rule}: better by more than {bar:g} with {gate.confidence:.4g} at all times",
        f"{means[CHALLENGER]:.4f} against {means[CHAMPION]:.4f}: improvement "
        f"{found.improvement:+.4f} [{found.low:+.4f}, {found.high:+.4f}]",
        said,
    )
    evidence |= {"cost": means, "bounds": asdict(found), "bar": bar}
    lines = [asdict(line) for line in (counted, cost)]
    return Decision(said, f"cost {cost.measured}; {reason}", {**evidence, "gates": lines})


def by_block(use_case: UseCase, rolls: Rolling, as_of: datetime) -> pl.DataFrame:
    """The blocks of gate.block (a day, if rows are independent) since the test began that are over,
    mature and have both arms, in order: number, labelled rows, mean cost by arm.
    """
    width = use_case.gate.block or timedelta(days=1)
    given = used(answers(use_case, rolls.since, as_of))
    known = with_labels(use_case, given, labels(use_case, rolls.since, as_of, as_of))
    label, flagged = known[use_case.label.column], known["decision"].to_numpy()
    costs = decision_costs(label.fill_null(0).to_numpy(), flagged, use_case.evaluation.cost)
    labelled = label.is_not_null()
    return (
        known.select(
            "arm",
            block=pl.col(use_case.spine.time).dt.epoch("us")
            // (width // timedelta(microseconds=1)),
            labelled=labelled,
            cost=pl.when(labelled).then(pl.Series(costs)),
        )
        .group_by("block")
        .agg(
            pl.col("labelled").sum().alias("rows"),
            pl.col("labelled").mean().alias("coverage"),
            *(
                pl.col("cost").filter(pl.col("arm") == arm).mean().alias(arm)
                for arm in (CHAMPION, CHALLENGER)
            ),
        )
        .filter(pl.col("coverage") >= use_case.label.min_coverage)
        .filter(pl.col("block") < (as_of - _EPOCH) // width)
        .drop_nulls([CHAMPION, CHALLENGER])
        .sort("block")
    )


def _bounds(use_case: UseCase, blocks: pl.DataFrame, planned: int) -> Bounds:
    """By the blocks' differences; how many are planned is told by the rows of the first ones."""
    improvements = (blocks[CHAMPION] - blocks[CHALLENGER]).to_numpy()
    rows = float(np.mean(blocks["rows"].head(MIN_BLOCKS).to_numpy()))
    return bounds(improvements, planned / rows, use_case.gate.confidence)


def _mean(column: pl.Series) -> float:
    return float(np.mean(column.to_numpy()))
