"""Rows for the gate that are made to order, and the gate that judges them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from configs.schema.costs import Cost
from configs.schema.loading import load_use_case
from configs.schema.promotion import Gate
from configs.schema.training import Evaluation, Slice
from configs.schema.use_case import UseCase
from tasks.promotion.gate import Decision

NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)
COST = Cost(false_positive=1, false_negative=3)


def gated_use_case(cost: Cost = COST, **gate: object) -> UseCase:
    """The flights with a gate of few resamples and one slice."""
    evaluation = Evaluation(cost=cost, slices=(Slice(column="origin"),), slice_min_rows=200)
    changes = {"gate": Gate(resamples=1000, **gate), "evaluation": evaluation}
    return load_use_case("flights").model_copy(update=changes)


def rows_scores_and_noise(
    n: int = 4000, days: int = 20
) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """Rows over so many days and three origins, scores that know their label, and noise."""
    random = np.random.default_rng(0)
    score = np.round(random.random(n), 2)
    frame = pl.DataFrame(
        {
            "late": (random.random(n) < 0.1 + 0.6 * score).astype(np.int8),
            "prediction_time": [NOON + timedelta(days=int(d)) for d in random.integers(0, days, n)],
            "origin": random.choice(["EWR", "JFK", "LGA"], n),
        }
    )
    return frame, score, random.random(n)


def lines(decision: Decision) -> dict[str, str]:
    """The verdict of each row of a gate's table."""
    return {check.gate: check.verdict for check in decision.evidence.gates}
