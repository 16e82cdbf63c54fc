"""The monitor flow on five weeks of real flights: what it writes, shows and asks for, and twice."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml

from configs.errors import NoRows
from configs.schema.loading import load_use_case
from flows.monitor import monitor
from flows.score import score
from flows.train import train
from tasks.features import feast_store
from tasks.ingestion import feature_refresh
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import list_open_episodes
from tasks.storage.lake import open_lake
from tests.support import lake_rows
from tests.support.prefect_artifacts import read_artifact
from tests.support.state import state as lies_in

pytestmark = pytest.mark.server
TRAINED = datetime(2013, 1, 28, tzinfo=UTC)
AS_OF = TRAINED + timedelta(days=7)


@pytest.fixture(scope="module")
def state(api: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A champion since TRAINED, whose scores of the first week were spoiled on the way."""
    folder = tmp_path_factory.mktemp("state")
    flights = load_use_case("flights").model_dump(mode="json", by_alias=True)
    flights["split"] = {"validation": "4d", "holdout": "4d", "min_rows": 1000}
    del flights["candidates"]["boosting"]
    flights["monitor"]["performance"] = [
        {"metric": "calibration_gap", "window": "7d", "worse_by": 0.05},
        {"metric": "roc_auc", "window": "2w", "worse_by": 0.5},
    ]
    flights["monitor"]["report_rows"] = 300
    (folder / "flights.yaml").write_text(yaml.safe_dump(flights))
    with lies_in(folder, {"MAINSPRING_USE_CASES": str(folder)}):
        use_case = load_use_case("flights")
        lake_rows.land_rows(use_case, TRAINED - timedelta(days=40), AS_OF)
        feast_store.register_features(use_case)
        feature_refresh.refresh_features(use_case, AS_OF)
        version = train("flights", TRAINED)
        promoted = Entry("flights", "promoted", f"decision:{version}", TRAINED, "test", version)
        open_ledger().record(promoted)
        score("flights", AS_OF, "7d")
        quarter_probabilities()
        monitor("flights", AS_OF)
        yield folder


def quarter_probabilities() -> None:
    """Make every probability a quarter of what it was."""
    lake = open_lake("flights")
    scored = lake.scan("predictions").with_columns(pl.col("probability") / 4).collect()
    lake.replace_window("predictions", scored, "prediction_time", (TRAINED, AS_OF))


def read_monitoring() -> pl.DataFrame:
    return open_lake("flights").scan("monitoring").collect()


def monitoring_row(subject: str) -> dict[str, object]:
    return read_monitoring().row(by_predicate=pl.col("subject") == subject, named=True)


def test_every_kind_of_number_is_written(state: Path) -> None:
    case = load_use_case("flights")
    subjects = set(read_monitoring()["subject"])
    assert {*case.features.inputs, "score", "roc_auc", "cost", "rows:arrivals"} <= subjects
    assert {"missing_days:weather", "rows:predictions", "nulls:carrier"} <= subjects
    assert "rows:planes" not in subjects
    assert (
        read_monitoring()
        .filter(pl.col("kind") == "contract", pl.col("verdict") == "page")
        .is_empty()
    )


def test_performance_is_of_the_labels_that_have_come(state: Path) -> None:
    week = monitoring_row("roc_auc")
    assert 0.8 < week["coverage"] < 1  # type: ignore[operator]
    assert 0.5 < week["value"] < 0.85  # type: ignore[operator]
    two_weeks = monitoring_row("roc_auc_2w")
    # seven days were scored, and four days of the holdout before count too
    assert 0.7 < two_weeks["coverage"] < 0.8  # type: ignore[operator]
    assert two_weeks["verdict"] is two_weeks["value"] is None


def test_a_page_is_an_episode_and_an_alert(state: Path) -> None:
    entries = open_ledger().entries("flights")
    causes = {e.evidence["cause"] for e in list_open_episodes(entries)}
    assert "performance:calibration_gap_1w" in causes
    (alert,) = [e for e in entries if e.what == "alert_raised"]
    assert alert.at == AS_OF
    assert "calibration_gap" in alert.evidence["message"]


def test_people_see_a_table_a_picture_and_a_report(state: Path) -> None:
    assert "| **alert** | calibration_gap_1w |" in read_artifact("flights-numbers")
    assert "data:image/png;base64," in read_artifact("flights-picture")
    folder = state / "reports" / "flights" / "monitor"
    html = folder / "2013-02-04T0000.html"
    assert html.as_uri() in read_artifact("flights-distributions")
    assert "airport_delay_24h" in html.read_text()
    assert (folder / "2013-02-04T0000.png").stat().st_size > 20_000


def test_again_changes_no_row_no_version_and_no_entry(state: Path) -> None:
    before, version = open_ledger().entries("flights"), open_lake("flights").version("monitoring")
    first = read_monitoring()
    monitor("flights", AS_OF, report=False)
    assert open_lake("flights").version("monitoring") == version
    assert read_monitoring().equals(first)
    assert open_ledger().entries("flights") == before


def test_a_week_without_any_data_pages(state: Path) -> None:
    dead = AS_OF + timedelta(days=14)
    with pytest.raises(NoRows, match=r"more than 6h after the newest known row .* set `force`"):
        monitor("flights", dead)
    monitor("flights", dead, report=True, force=True)
    found = read_monitoring().filter(pl.col("as_of") == dead)
    pages = set(found.filter(pl.col("verdict") == "page")["subject"])
    assert {"rows:arrivals", "rows:predictions", "missing_days:weather"} <= pages
    assert found.filter(pl.col("kind") == "drift").is_empty()


def test_moment_in_the_past_is_measured_and_says_so(state: Path) -> None:
    before = open_ledger().entries("flights")
    done = monitor("flights", AS_OF - timedelta(days=2), report=False, return_state=True)
    assert "measured only, since a later window was monitored" in str(done.message)
    assert open_ledger().entries("flights") == before


def test_before_the_first_champion_there_is_nothing_to_watch(state: Path) -> None:
    before = read_monitoring()
    monitor("flights", TRAINED)
    assert read_monitoring().equals(before)
