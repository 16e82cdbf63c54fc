"""Rows that were joined before are found again, all of them or none."""

from pathlib import Path

import polars as pl
import pytest

from configs.schema.loading import load_use_case
from configs.settings import settings
from tasks.features.join_cache import read_joined_rows, save_joined_rows
from tests.support.flights import january

FLIGHTS = load_use_case("flights")
KEYS = ["carrier", "origin", "dest"]


@pytest.fixture
def spine(home: Path, monkeypatch: pytest.MonkeyPatch) -> pl.DataFrame:
    """Real rows, one of them without a carrier, of which features are kept."""
    monkeypatch.setenv("MAINSPRING_JOINED", str(home / "joined"))
    settings.cache_clear()
    rows = january().select("flight", *KEYS, "prediction_time").unique(maintain_order=True)
    carrier = pl.when(pl.int_range(pl.len()) > 0).then("carrier")
    rows = rows.with_columns(carrier.alias("carrier"))
    save_joined_rows(FLIGHTS, rows.select(*KEYS, "prediction_time"), features(rows))
    return rows


def features(rows: pl.DataFrame) -> pl.DataFrame:
    """What depends on the keys and the time alone."""
    hour = pl.col("prediction_time").dt.hour().cast(pl.Float64)
    text = pl.concat_str(KEYS, ignore_nulls=True)
    return rows.select(delay=hour + text.str.len_chars(), name=text)


def test_rows_come_in_their_order_with_their_features(spine: pl.DataFrame) -> None:
    asked = spine.sample(fraction=0.3, shuffle=True, seed=1)
    found = read_joined_rows(FLIGHTS, asked)
    assert found is not None
    assert found.equals(asked.hstack(features(asked)))


def test_a_missing_key_is_found_too(spine: pl.DataFrame) -> None:
    found = read_joined_rows(FLIGHTS, spine.head(1))
    assert found is not None
    assert found["name"].item() == features(spine.head(1))["name"].item()


def test_one_row_that_was_not_joined_asks_for_a_join_of_all(spine: pl.DataFrame) -> None:
    moved = spine.with_columns(pl.col("dest").replace({spine["dest"][5]: "nowhere"}))
    assert read_joined_rows(FLIGHTS, moved) is None
    assert read_joined_rows(FLIGHTS, spine.clear()) is None


def test_another_service_and_another_process_were_never_joined(
    spine: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = FLIGHTS.features.model_copy(update={"service": "delay_v2"})
    assert read_joined_rows(FLIGHTS.model_copy(update={"features": other}), spine) is None
    monkeypatch.delenv("MAINSPRING_JOINED")
    settings.cache_clear()
    assert read_joined_rows(FLIGHTS, spine) is None
