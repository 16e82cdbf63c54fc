"""The second use case all the way: from its raw file to a champion, a scored window and drift. And
side by side with another one, in one state, whose runs fail in every way that there is.
"""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml

from configs.schema.loading import load_use_case
from configs.settings import ROOT, settings
from feature_repo.visits.source import write_csv
from flows.ingest import ingest
from flows.monitor import monitor
from flows.promote import promote
from flows.reconcile import reconcile
from flows.score import score
from flows.train import train
from flows.watch import watch
from tasks.checks.feature_module import check_feature_module
from tasks.features import online_store
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import find_champion
from tasks.models import registry
from tasks.storage.lake import open_lake
from tasks.training.reproduce import reproduce_version
from tests.support.state import state as lies_in

pytestmark = pytest.mark.server

LANDED = datetime(1981, 1, 1, tzinfo=UTC)
DECIDED = datetime(1977, 7, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def version(api: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The first version, trained on what was known in July 1977, after its decision."""
    home = tmp_path_factory.mktemp("state")
    shutil.copy(ROOT / "configs" / "visits.yaml", home)
    with lies_in(home, {"MAINSPRING_USE_CASES": str(home)}):
        yield first_version("visits")


def first_version(name: str) -> int:
    """The first version of a use case, from the raw file to its decision."""
    write_csv(Path(settings().landing) / name / "enrolments" / "all.csv")
    assert ingest(name, as_of=LANDED).startswith("1 files ingested (20190 rows, 0 more")
    registered = train(name, as_of=DECIDED)
    promote(name, version=registered, as_of=DECIDED)
    return registered


@pytest.fixture(scope="module")
def guests(version: int) -> Path:
    """The YAML of a use case like visits, with a champion of its own."""
    visits = yaml.safe_load((settings().use_cases / "visits.yaml").read_text())
    del visits["candidates"]["boosting"]
    path = settings().use_cases / "guests.yaml"
    path.write_text(yaml.safe_dump(visits | {"name": "guests"}))
    first_version("guests")
    return path


def test_nothing_in_it_knows_the_future(version):
    wrong = [
        f.detail for f in check_feature_module(load_use_case("visits")) if f.verdict == "wrong"
    ]
    assert wrong == []


def test_first_version_beats_the_best_constant_and_is_champion(version):
    card = registry.open_model("visits", version).card
    assert card.rows["holdout"] == 1530, "91 days whose year was over"
    assert 3.5 < card.holdout["rmse"] < 3.9 < card.holdout["label_std"]
    reigning = find_champion(open_ledger().entries("visits"))
    assert reigning is not None
    assert (reigning.version, reigning.at) == (version, DECIDED)


def test_a_window_is_scored_and_its_drift_has_numbers(version):
    as_of = DECIDED + timedelta(days=28)
    rows = score("visits", as_of=as_of, window="28d")
    held = open_lake("visits").scan("predictions").collect()
    assert rows == held.height == 502
    assert held["prediction"].is_between(0, 30).mean() > 0.95
    monitor("visits", as_of=as_of, report=False)
    numbers = open_lake("visits").scan("monitoring").collect()
    drifted = numbers.filter(kind="drift")
    inputs = set(load_use_case("visits").features.inputs)
    assert inputs <= {subject.rpartition(":")[2] for subject in drifted["subject"]}
    assert drifted["value"].is_finite().all()
    assert numbers.filter(pl.col("subject") == "rmse")["coverage"].item() == 0, "a year late"


@pytest.mark.slow
def test_a_version_is_reproduced_to_the_same_answers(version):
    found = reproduce_version(load_use_case("visits"), version, lambda _: None)
    assert found.equal
    assert (found.difference, found.flipped, found.threshold) == (0, 0, (None, None))


def break_yaml(path: Path) -> None:
    path.write_text(path.read_text().replace("holdout: 455d", "holdout: a year"))


def break_module(path: Path) -> None:
    path.write_text(path.read_text().replace("visits.transforms", "guests.transforms"))


def break_data(_: Path) -> None:
    landed = Path(settings().landing) / "guests" / "enrolments" / "more.csv"
    landed.write_text("begins,person\n1981-02-01,seven\n")


def left_of(name: str) -> tuple[list[Entry], dict[str, int]]:
    """What a use case has: its ledger, alerts and all, and the version of every table."""
    tables = ("raw/enrolments", "features/enrolments", "predictions", "shadows", "monitoring")
    return open_ledger().entries(name), open_lake(name).versions([*tables, "files"])


@pytest.mark.parametrize(
    ("breaks", "flows", "ends", "said"),
    [
        (break_data, (ingest,), "RowsLost", " 1 refused"),
        (break_module, (train, score), "Failed", "'feature_repo.guests'"),
        (break_yaml, (ingest, train, score, monitor, watch, reconcile), "Failed", "split.holdout:"),
    ],
)
def test_one_that_fails_stops_no_other_and_touches_nothing_of_it(guests, breaks, flows, ends, said):
    whole, as_of = guests.read_text(), DECIDED + timedelta(days=28 * (1 + len(flows)))
    before = left_of("visits")
    breaks(guests)
    for flow in flows:
        at = {} if flow in (watch, reconcile) else {"as_of": as_of}
        state = flow("guests", **at, return_state=True)
        assert (flow.name, state.name) == (flow.name, ends)
        assert said in str(state.result(raise_on_failure=False)), flow.name
    assert left_of("visits") == before
    broken = left_of("guests")
    assert score("visits", as_of=as_of, window="28d") > 100
    for flow in (monitor, watch, reconcile):
        at = {"as_of": as_of, "report": False} if flow is monitor else {}
        assert flow("visits", **at, return_state=True).is_completed(), flow.name
    assert left_of("visits") != before
    assert left_of("guests") == broken
    guests.write_text(whole)


def test_the_newest_features_are_online(version):
    visits = load_use_case("visits")
    online_store.publish_features(visits, DECIDED)
    assert online_store.measure_staleness(visits, DECIDED)["newest"].to_list() == [DECIDED]
