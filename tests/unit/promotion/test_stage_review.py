"""What a stage of a roll-out has shown, on real flights with answers that are made to order."""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from configs.schema.promotion import Ab, BlueGreen, Canary, Shadow
from configs.schema.training import Slice
from configs.settings import settings
from tasks.features import retrieval
from tasks.ledger.log import Entry
from tasks.ledger.state import fold_ledger
from tasks.promotion.paired_rows import both_predictions, find_paired_rows
from tasks.promotion.stage_review import StageReview, review_stage
from tasks.rollout.assignment import assign_arms, rollout_salt
from tasks.rollout.prediction_log import PREDICTIONS, SHADOWS
from tasks.scoring.predictions import write_prediction_table
from tasks.storage.lake import open_lake
from tests.support.lake_rows import land_rows
from tests.support.scored_rollout import (
    COLUMNS,
    DAY,
    END,
    FLIGHTS,
    LATER,
    START,
    THRESHOLD,
    WEEK,
    able,
    rollout_entries,
    write_scored,
)  # fmt: skip
from tests.support.state import state


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three weeks of real flights in the raw tables: spine and labels, and no feature."""
    with state(tmp_path_factory.mktemp("state")):
        land_rows(FLIGHTS, START - 20 * DAY, LATER)
        yield Path(settings().lake)


@pytest.fixture(scope="module")
def truth(raw: Path) -> pl.DataFrame:
    """Every third flight: keys, whether it was late in the end, and a random number."""
    rows = retrieval.build_spine(FLIGHTS, START, END, LATER).gather_every(3)
    late = retrieval.build_labels(FLIGHTS, START, END, LATER).select(*COLUMNS[:4], "late")
    drawn = pl.Series("noise", np.random.default_rng(0).random(rows.height))
    return (
        rows.select(COLUMNS)
        .join(late, on=COLUMNS[:4], how="left", maintain_order="left")
        .with_columns(drawn)
    )


@pytest.fixture(autouse=True)
def nothing_scored(raw: Path) -> None:
    for table in (PREDICTIONS, SHADOWS):
        shutil.rmtree(open_lake("flights").uri(table), ignore_errors=True)


def looked(entries: list[Entry], as_of: datetime) -> StageReview:
    found = review_stage(FLIGHTS, fold_ledger(entries), as_of)
    assert found is not None
    return found


def gates(found: StageReview) -> dict[str, str]:
    return {check.gate: check.verdict for check in found.evidence.gates}


EQUAL = (able(0.6), able(0.6, of=1))
SHADOW = Shadow(step=WEEK)
CANARY = Canary(shares=(0.4, 0.8), step=WEEK)


def test_without_a_roll_out_there_is_nothing_to_review():
    assert review_stage(FLIGHTS, fold_ledger([]), END) is None
    assert review_stage(FLIGHTS, fold_ledger(rollout_entries(SHADOW)[:1]), END) is None


def test_review_stage_of_a_shadow_passes_without_harm(truth):
    entries = rollout_entries(SHADOW)
    write_scored(entries, truth, *EQUAL)
    early = looked(entries, START + 6 * DAY)
    assert (early.verdict, early.due) == ("wait", False)
    assert "reviewed from 2013-01-09 00:00 on" in early.reason
    found = looked(entries, START + 9 * DAY)
    assert (found.version, found.stage, found.verdict, found.due) == (2, 0, "pass", True)
    assert list(gates(found))[:4] == ["labels", "labelled rows", "roc_auc", "cost"]
    assert set(gates(found).values()) == {"pass"}
    assert found.evidence.looks == 1
    assert found.evidence.to < START + WEEK


def test_a_shadow_that_is_worse_fails(truth):
    entries = rollout_entries(SHADOW)
    write_scored(entries, truth, able(0.8), able(0.1, of=1))
    found = looked(entries, START + 9 * DAY)
    assert found.verdict == "fail"
    assert gates(found)["roc_auc"] == "fail"


def test_review_stage_without_labels_waits_and_then_fails(truth):
    entries = rollout_entries(Shadow(step=WEEK, patience=15 * DAY))
    write_scored(entries, truth, *EQUAL)
    case = FLIGHTS.model_copy(
        update={"label": FLIGHTS.label.model_copy(update={"min_coverage": 1.0})}
    )
    found = review_stage(
        case, fold_ledger(entries), START + 9 * DAY
    )  # cancelled flights never get a label
    assert (found.verdict, gates(found)) == ("wait", {"labels": "wait"})
    over = review_stage(case, fold_ledger(entries), START + 15 * DAY)
    assert (over.verdict, over.due) == ("fail", True)
    assert over.reason.startswith("no verdict within 15d: ")


@pytest.mark.parametrize("kind", [SHADOW, BlueGreen(step=WEEK)])
@pytest.mark.parametrize("answer", [None, float("nan")])
def test_rows_that_the_challenger_does_not_answer_are_missed(truth, kind, answer):
    entries = rollout_entries(kind)
    lost = pl.when(pl.col("noise") < 0.4).then(pl.lit(answer, pl.Float64))
    write_scored(entries, truth, able(0.6), lost.otherwise(able(0.6, of=1)).alias("probability"))
    found = looked(entries, START + 9 * DAY)
    assert found.verdict == "wait"
    assert "scored by both" in found.reason


def test_without_any_shadow_a_stage_waits(truth):
    entries = rollout_entries(SHADOW)
    write_scored(entries, truth, *EQUAL)
    write_prediction_table(FLIGHTS, SHADOWS, truth.clear(), (START, END))
    found = looked(entries, START + 9 * DAY)
    assert found.verdict == "wait"
    assert found.reason.startswith("0 of ")


@pytest.mark.parametrize("kind", [SHADOW, BlueGreen(step=WEEK), Ab()])
def test_as_long_as_nothing_was_ever_scored_it_waits(kind):
    found = looked(rollout_entries(kind), START + 9 * DAY)
    assert found.verdict == "wait"
    assert "nothing was ever written" in found.reason
    assert looked(rollout_entries(kind), START + 90 * DAY).verdict == "fail"


def test_a_canary_is_judged_on_its_own_arm(truth):
    entries = rollout_entries(CANARY)
    in_arm = (
        pl.lit(assign_arms(truth.select(COLUMNS[:4]), rollout_salt("flights", 2), 0.4))
        == "challenger"
    )
    good, bad = able(0.8), able(0.0, of=1)
    write_scored(
        entries, truth, good, pl.when(in_arm).then(good).otherwise(bad).alias("probability")
    )
    found = looked(entries, START + 9 * DAY)
    assert found.verdict == "pass"
    assert found.evidence.looks == 2
    assert found.evidence.rows == pytest.approx(0.4 * truth.height / 3, rel=0.1)
    write_scored(
        entries, truth, good, pl.when(in_arm).then(bad).otherwise(good).alias("probability")
    )
    assert looked(entries, START + 9 * DAY).verdict == "fail"


def test_too_few_rows_in_one_step_are_looked_for_in_the_next(truth):
    entries = rollout_entries(Canary(shares=(0.07,), step=WEEK))
    write_scored(entries, truth, *EQUAL)
    first = looked(entries, START + 9 * DAY)
    assert (first.verdict, gates(first)) == ("wait", {"labels": "pass", "labelled rows": "wait"})
    assert looked(entries, LATER).verdict == "pass"


def test_blue_green_asks_only_whether_both_answered_a_whole_step(truth):
    entries = rollout_entries(BlueGreen(step=WEEK))
    broken = (pl.col("prediction_time") < START + DAY) & (pl.col("noise") < 0.01)
    nan = pl.when(broken).then(pl.lit(float("nan")))
    write_scored(entries, truth, able(0.8), nan.otherwise(able(0.0, of=1)).alias("probability"))
    assert looked(entries, START + WEEK).verdict == "wait"
    found = looked(entries, START + 2 * WEEK)
    assert (found.verdict, gates(found)) == ("pass", {"readiness": "pass"})


def test_a_roll_out_whose_champion_is_no_more_fails(truth):
    entries = rollout_entries(SHADOW)
    entries.append(Entry("flights", "promoted", "hand:3", START + DAY, "test", 3, seq=3))
    found = looked(entries, START + 2 * DAY)
    assert (found.verdict, found.due) == ("fail", True)
    assert "the champion changed during the rollout (was version 1)" in found.reason


def test_review_stage_of_an_ab_test_finds_a_gain_in_cost(truth):
    entries = rollout_entries(Ab(share=0.5, rows=100_000))
    write_scored(entries, truth, able(0.0), able(1.0, of=1))
    early = looked(entries, START + 9 * DAY)
    assert (early.verdict, gates(early)) == ("wait", {"labelled rows": "wait"})
    found = looked(entries, LATER)
    assert (found.verdict, gates(found)["cost by arm"]) == ("pass", "pass")
    assert found.evidence.bounds.low > 0
    assert found.evidence.cost["challenger"] < found.evidence.cost["champion"]
    assert found.evidence.blocks == 21


def test_an_ab_test_finds_a_loss(truth):
    entries = rollout_entries(Ab(share=0.5, rows=100_000))
    write_scored(entries, truth, able(1.0), able(0.0, of=1))
    found = looked(entries, LATER)
    assert (found.verdict, "a loss is shown" in found.reason) == ("fail", True)


@pytest.mark.parametrize(("rows", "said"), [(100_000, "wait"), (4000, "fail")])
def test_an_ab_test_of_equals_ends_at_its_size(truth, rows, said):
    entries = rollout_entries(Ab(share=0.5, rows=rows))
    write_scored(entries, truth, *EQUAL)
    found = looked(entries, LATER)
    assert found.verdict == said
    assert ("no gain shown at the planned size" in found.reason) == (said == "fail")


def test_non_inferiority_bears_a_share_of_the_champions_cost(truth):
    entries = rollout_entries(Ab(share=0.5, rows=4000))
    write_scored(entries, truth, *EQUAL)
    rule = {"rule": "non_inferiority", "cost_margin": 0.5}
    case = FLIGHTS.model_copy(update={"gate": FLIGHTS.gate.model_copy(update=rule)})
    found = review_stage(case, fold_ledger(entries), LATER)
    assert found.verdict == "pass"
    assert found.evidence.bar == pytest.approx(-0.5 * found.evidence.cost["champion"])


def test_the_rows_of_a_pair_hold_what_the_gates_need(truth):
    entries = rollout_entries(CANARY)
    write_scored(entries, truth, *EQUAL)
    case = FLIGHTS.model_copy(
        update={
            "evaluation": FLIGHTS.evaluation.model_copy(
                update={"slices": (Slice(column="origin"), Slice(column="departure_hour"))}
            )
        }
    )
    rows = find_paired_rows(case, (2, 1), START, LATER, [START + WEEK]).rows
    other = find_paired_rows(case, (1, 2), START, LATER, [START + WEEK]).rows
    assert rows.columns == [
        *COLUMNS, "__arm", "__value", "__decision", "__other_value", "__other_decision", "late",
        "departure_hour",
    ]  # fmt: skip
    expected = truth.filter(pl.col("prediction_time") < START + WEEK).drop_nulls("late")
    assert rows.height == expected.height
    assert rows["late"].to_list() == expected["late"].to_list()
    assert rows["prediction_time"].is_sorted()
    new, old = both_predictions(case, rows)
    old_again, _ = both_predictions(case, other)
    assert (old.value == old_again.value).all()
    assert (new.decision == (new.value >= THRESHOLD)).all()
    assert set(rows["__arm"].unique()) == {"champion", "challenger"}
    assert find_paired_rows(case, (2, 9), START, LATER, [END]).rows.is_empty()
