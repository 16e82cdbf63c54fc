"""Made-up giveaways in many forms are found for each problem type; what ships has none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from configs.schema.base import LabelKind
from configs.schema.loading import load_use_case
from feature_repo.visits.source import enrolments
from tasks.evaluation.giveaways import find_giveaways, list_suspects
from tests.support.flights import january

ROWS = 2400
HONEST = ("a", "b", "c", "place")


def honest_rows(kind: LabelKind, seed: int) -> pl.DataFrame:
    """Inputs that explain a part of the label, of each type."""
    random = np.random.default_rng(seed)
    a, b, c = random.normal(0, 1, ROWS), random.gamma(2, 2, ROWS), random.integers(0, 24, ROWS)
    place = random.choice(["north", "south", "east"], ROWS)
    score = a + 0.3 * b + (place == "north") + random.normal(0, 1, ROWS)
    label = {
        "regression": 20 * score + 100,
        "binary": (score > np.quantile(score, 0.8)).astype(float),
        "multiclass": np.digitize(score, np.quantile(score, [0.4, 0.7])).astype(float),
    }[kind]
    return pl.DataFrame({"a": a, "b": b, "c": c, "place": place, "label": label})


def noise(share: float, seed: int = 9) -> pl.Expr:
    """Noise of a share of the label's spread."""
    drawn = pl.Series(np.random.default_rng(seed).normal(0, 1, ROWS))
    return pl.lit(drawn) * pl.col("label").std() * share


LABEL = pl.col("label")
OTHERS = {
    "copy": LABEL,
    "scaled": -3 * LABEL + 7,
    "root": (LABEL - LABEL.min()).sqrt(),
    "logarithm": (LABEL - LABEL.min() + 1).log(),
    "exponential": (LABEL / LABEL.std()).exp(),
    "cube": (LABEL - LABEL.mean()) ** 3,
    "rank": LABEL.rank(),
    "noise of 1%": LABEL + noise(0.01),
    "noise of 5%": LABEL + noise(0.05),
    "whole numbers": (LABEL * 1000).round().cast(pl.Int64),
    "float32": LABEL.cast(pl.Float32),
    "text of a number": LABEL.cast(pl.String),
    "tenth missing": pl.when(pl.int_range(pl.len()) % 40 > 0).then("label"),
    "a little of an input": LABEL + 0.01 * pl.col("a"),
}
CODED = {
    "code": LABEL.cast(pl.Int64).cast(pl.String).replace({"0": "open", "1": "paid", "2": "lost"}),
    "code with a prefix": pl.format("status {}", LABEL.cast(pl.Int64)),
    "some codes": pl.format("{}{}", LABEL.cast(pl.Int64), pl.int_range(pl.len()) % 5),
    "filled later": pl.when(LABEL > 0).then(LABEL * 3 + 1),
    "text that is filled later": pl.when(LABEL > 0).then(pl.format("x{}", LABEL.cast(pl.Int64))),
    "an amount that is filled later": pl.when(LABEL > 0).then(LABEL * 100 + pl.col("a")),
    "zero until then": pl.when(LABEL > 0).then(LABEL * 9 + pl.col("b") / 100).otherwise(0.0),
    "one in a hundred wrong": pl.when(pl.int_range(pl.len()) % 100 == 0).then(0.0).otherwise(LABEL),
}
KINDS: list[LabelKind] = ["regression", "binary", "multiclass"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_honest_inputs_give_nothing_away(kind, seed):
    assert find_giveaways(honest_rows(kind, seed), HONEST, "label", kind) == []


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_label_in_another_form_is_found(kind, other):
    rows = honest_rows(kind, 0).with_columns(total=OTHERS[other])
    assert [each.inputs for each in find_giveaways(rows, (*HONEST, "total"), "label", kind)] == [
        ("total",)
    ]


@pytest.mark.parametrize("other", CODED)
@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_status_in_another_form_is_found(kind, other):
    rows = honest_rows(kind, 1).with_columns(status=CODED[other])
    assert [each.inputs for each in find_giveaways(rows, (*HONEST, "status"), "label", kind)] == [
        ("status",)
    ]


def parts_of(number: int, seed: int) -> list[pl.Series]:
    random = np.random.default_rng(seed)
    return [pl.Series(f"part_{i}", random.gamma(2, 10 + 20 * i, ROWS)) for i in range(number)]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("number", [2, 3, 4])
@pytest.mark.parametrize(
    "form",
    {
        "sum": lambda parts: pl.sum_horizontal(parts),
        "weighted": lambda parts: pl.sum_horizontal(p * (i + 1) for i, p in enumerate(parts)),
        "difference": lambda parts: 2 * parts[0] - pl.sum_horizontal(parts[1:]),
        "rounded": lambda parts: pl.sum_horizontal(parts).round(1),
    }.values(),
)
def test_parts_of_the_label_are_found(form, number, seed):
    parts = parts_of(number, seed)
    rows = honest_rows("regression", seed).with_columns(parts)
    rows = rows.with_columns(label=form([pl.col(each.name) for each in parts]))
    names = [each.name for each in parts]
    (found, *more) = find_giveaways(rows, (*HONEST, *names), "label", "regression")
    assert not more
    assert set(found.inputs) == set(names)


@pytest.mark.parametrize("share", [0.3, 0.5, 1.0])
@pytest.mark.parametrize("kind", ["regression"])
def test_a_good_forecast_is_none(kind, share):
    rows = honest_rows(kind, 2).with_columns(forecast=LABEL + noise(share))
    assert find_giveaways(rows, (*HONEST, "forecast"), "label", kind) == []


def test_flights_do_not_cry_wolf():
    case, rows = load_use_case("flights"), january()
    suspects = list_suspects(case, rows)
    assert {"carrier", "distance", "departure_hour"} <= set(suspects)
    assert find_giveaways(rows, suspects, "late", "binary") == []


def test_visits_do_not_cry_wolf():
    case, rows = load_use_case("visits"), enrolments()
    suspects = list_suspects(case, rows)
    assert set(suspects) == set(case.features.inputs)
    assert find_giveaways(rows, suspects, "visits", "regression") == []
