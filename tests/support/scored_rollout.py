"""A rollout of real flights whose champion and challenger predict what a test says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from configs.schema.base import SchemaModel
from configs.schema.loading import load_use_case
from configs.schema.training import Slice
from configs.schema.use_case import UseCase
from tasks.ledger.log import Entry
from tasks.rollout.assignment import assign_arms, rollout_salt
from tasks.rollout.prediction_log import PREDICTIONS, SHADOWS
from tasks.rollout.state import find_rollout, plan_rollout
from tasks.scoring.predictions import write_prediction_table

START = datetime(2013, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK, END = 7 * DAY, START + 21 * DAY
LATER = END + 3 * DAY  # by then every label has come
THRESHOLD = 0.4
COLUMNS = ["carrier", "flight", "origin", "flight_date", "prediction_time"]


def small_review_case() -> UseCase:
    """Gates that 200 rows and the resamples of a test can answer."""
    case = load_use_case("flights")
    return case.model_copy(
        update={
            "gate": case.gate.model_copy(update={"resamples": 1000}),
            "bake": case.bake.model_copy(update={"min_rows": 200}),
            "evaluation": case.evaluation.model_copy(update={"slices": (Slice(column="origin"),)}),
        }
    )


FLIGHTS = small_review_case()


def able(skill: float, of: int = 0) -> pl.Expr:
    """Probabilities that know so much about the label; another `of` is another model's noise."""
    noise = (pl.col("noise") * (97.0 + of)) % 1.0
    return (0.7 * noise + 0.3 * skill * pl.col("late").fill_null(0)).alias("probability")


def rollout_entries(plan: SchemaModel) -> list[Entry]:
    case = FLIGHTS.model_copy(update={"rollout": plan})
    planned = plan_rollout(case, 1)
    assert planned is not None
    said = planned.to_json()
    return [
        Entry("flights", "promoted", "decision:1", START - DAY, "test", 1, seq=1),
        Entry("flights", "rollout_started", "rollout:2", START, "test", 2, said, seq=2),
    ]


def write_scored(entries: list[Entry], truth: pl.DataFrame, one: pl.Expr, two: pl.Expr) -> None:
    """Champion and challenger answer all rows, as the roll-out casts them."""
    rolls = find_rollout(entries)
    assert rolls is not None
    arm = assign_arms(truth.select(rolls.unit), rollout_salt("flights", 2), rolls.share)
    frames = [
        truth.with_columns(
            probability,
            arm=pl.lit(role),
            model_version=pl.lit(version, pl.Int64),
            mine=arm == role,
        ).with_columns(decision=pl.col("probability") >= THRESHOLD)
        for role, version, probability in (("champion", 1, one), ("challenger", 2, two))
    ]
    given = pl.concat(frames).drop("late", "noise")
    for table, mine in ((SHADOWS, ~pl.col("mine")), (PREDICTIONS, pl.col("mine"))):
        write_prediction_table(FLIGHTS, table, given.filter(mine).drop("mine"), (START, END))
