"""The second use case all the way: from its raw file to a champion, a scored window and drift."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from prefect.testing.utilities import prefect_test_harness

from configs.settings import settings
from configs.use_case import load_use_case
from feature_repo.visits.source import write_csv
from flows.ingest import ingest
from flows.monitor import monitor
from flows.promote import promote
from flows.score import score
from flows.train import train
from tasks import registry, store
from tasks.check_rows import check_rows
from tasks.lake import lake_of
from tasks.ledger import champion, ledger

pytestmark = pytest.mark.server

LANDED = datetime(1981, 1, 1, tzinfo=UTC)
DECIDED = datetime(1977, 7, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The first version, trained on what was known in July 1977, after its decision."""
    home = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch, prefect_test_harness(server_startup_timeout=120):
        patch.setenv("MAINSPRING_STATE", str(home))
        settings.cache_clear()
        ledger.cache_clear()
        write_csv(Path(settings().landing) / "visits" / "enrolments" / "all.csv")
        assert ingest("visits", as_of=LANDED).startswith("1 files taken (20190 rows, 0 more")
        registered = train("visits", as_of=DECIDED)
        promote("visits", version=registered, as_of=DECIDED)
        yield registered
    settings.cache_clear()
    ledger.cache_clear()


def test_nothing_in_it_knows_the_future(version):
    wrong = [f.detail for f in check_rows(load_use_case("visits")) if f.verdict == "wrong"]
    assert wrong == []


def test_the_first_version_is_better_than_the_best_constant_and_reigns(version):
    card = registry.open_model("visits", version).card
    assert card.rows["holdout"] == 1530, "91 days whose year was over"
    assert 3.5 < card.holdout["rmse"] < 3.9 < card.holdout["label_std"]
    reigning = champion(ledger().entries("visits"))
    assert reigning is not None
    assert (reigning.version, reigning.at) == (version, DECIDED)


def test_a_window_is_scored_and_its_drift_has_numbers(version):
    as_of = DECIDED + timedelta(days=28)
    rows = score("visits", as_of=as_of, window="28d")
    held = lake_of("visits").scan("predictions").collect()
    assert rows == held.height == 502
    assert held["prediction"].is_between(0, 30).mean() > 0.95
    monitor("visits", as_of=as_of, report=False)
    numbers = lake_of("visits").scan("monitoring").collect()
    drifted = numbers.filter(kind="drift")
    inputs = set(load_use_case("visits").features.inputs)
    assert inputs <= {subject.rpartition(":")[2] for subject in drifted["subject"]}
    assert drifted["value"].is_finite().all()
    assert numbers.filter(pl.col("subject") == "rmse")["coverage"].item() == 0, "a year late"


def test_the_newest_features_are_online(version):
    visits = load_use_case("visits")
    store.materialize(visits, DECIDED)
    assert store.staleness(visits, DECIDED)["newest"].to_list() == [DECIDED]
