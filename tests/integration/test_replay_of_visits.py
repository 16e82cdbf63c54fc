"""A replay of the use case that predicts a number: two policies, and what people read of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from configs.schema.loading import load_use_case
from configs.schema.retraining_policy import load_policies
from configs.settings import settings
from feature_repo.visits.source import write_csv
from flows.cli.replay import run_replay
from tasks.ingestion import feature_refresh
from tasks.replay.run import prepare_replay
from tests.support.landing import ingest_landed

START = datetime(1977, 7, 1, tzinfo=UTC)
LANDED = datetime(1981, 1, 1, tzinfo=UTC)


@pytest.mark.slow
def test_policies_are_compared_on_numbers_of_a_number(home: Path) -> None:
    visits = load_use_case("visits")
    write_csv(Path(settings().landing) / "visits" / "enrolments" / "all.csv")
    ingest_landed(visits, LANDED)
    feature_refresh.refresh_features(visits, LANDED)
    policies = load_policies(["never", "monthly"])
    replay = prepare_replay(visits, START, START + timedelta(days=56), policies)
    console = Console(record=True, width=160)
    run_replay(console, replay, 2)
    numbers = pl.read_parquet(replay.comparison_folder / "numbers.parquet")
    assert set(numbers["policy"]) == {"never", "monthly"}
    whole = numbers.filter(start=START, end=replay.plan.end, policy="never")
    measured = dict(whole.select("subject", "value").iter_rows())
    assert 3 < measured["rmse"] < 6, "as far as in the first champion's holdout"
    assert set(measured) == {"rmse", "cost", "calibration"}
    assert whole["low"].null_count() == 0
    said = console.export_text()
    for part in ("RMSE", "never against monthly", "cost a row", "wall time"):
        assert part in said
    assert "AUC" not in said
    assert "<img" in (replay.comparison_folder / "replay.html").read_text()
