"""PSI and its bins, whatever the values: zero on itself, blind to order, finite, never negative."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from configs.schema.monitoring import DriftRule
from tasks.models.psi_thresholds import measure_psi
from tasks.models.reference_profile import ReferenceProfile, build_reference_profile
from tasks.monitoring.drift import measure_drift

START = datetime(2024, 1, 1, tzinfo=UTC)
numbers = st.lists(st.none() | st.floats(allow_subnormal=False), min_size=1, max_size=60)
texts = st.lists(st.none() | st.sampled_from("abcdefgh"), min_size=1, max_size=60)


def spaced_rows(
    values: list[float | None] | list[str | None], kind: type[pl.DataType]
) -> pl.DataFrame:
    times = [START + timedelta(hours=9 * i) for i in range(len(values))]
    return pl.DataFrame({"x": pl.Series(values, dtype=kind, strict=False), "time": times})


def numeric(frame: pl.DataFrame) -> ReferenceProfile:
    return build_reference_profile(frame, ["x"], [], "time", DriftRule())


def categorical(frame: pl.DataFrame) -> ReferenceProfile:
    return build_reference_profile(frame, [], ["x"], "time", DriftRule())


@given(numbers)
def test_numbers_have_not_drifted_from_themselves(values: list[float | None]) -> None:
    frame = spaced_rows(values, pl.Float64)
    assert measure_drift(frame, numeric(frame))["psi"].item() == 0


@given(texts)
def test_categories_have_not_drifted_from_themselves(values: list[str | None]) -> None:
    frame = spaced_rows(values, pl.String)
    assert measure_drift(frame, categorical(frame))["psi"].item() == 0


@given(numbers, numbers, st.randoms(use_true_random=False))
def test_order_does_not_matter(reference: list[float], now: list[float], random: object) -> None:
    of = numeric(spaced_rows(reference, pl.Float64))
    shuffled = now.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = (measure_drift(spaced_rows(v, pl.Float64), of) for v in (now, shuffled))
    assert first.equals(second)


@given(numbers, numbers)
def test_it_is_finite_and_not_negative_and_survives_json(
    reference: list[float | None], now: list[float | None]
) -> None:
    of = numeric(spaced_rows(reference, pl.Float64))
    found = measure_drift(spaced_rows(now, pl.Float64), of)
    assert np.isfinite(found["psi"].item())
    assert found["psi"].item() >= 0
    again = ReferenceProfile.model_validate_json(of.model_dump_json())
    assert again == of
    assert measure_drift(spaced_rows(now, pl.Float64), again).equals(found)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 99)), min_size=1, max_size=12))
def test_it_is_symmetric(counts: list[tuple[int, int]]) -> None:
    a, b = (np.array(side, dtype=float) for side in zip(*counts, strict=True))
    a, b = a / max(a.sum(), 1), b / b.sum()
    assert np.isclose(measure_psi(a, b), measure_psi(b, a))
