"""The flows train and score on three weeks of real flights, with Feast, MLflow and Prefect."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml

from configs.errors import BadModel, NoRows
from configs.schema.loading import load_use_case
from configs.settings import settings
from flows.score import score
from flows.train import train
from tasks.features import feast_store
from tasks.ingestion import feature_refresh
from tasks.ledger.log import Entry, open_ledger
from tasks.models import registry
from tasks.models.mlflow.client import connect_mlflow
from tasks.storage.lake import open_lake
from tests.support import lake_rows
from tests.support.state import state as lies_in

pytestmark = pytest.mark.server

AS_OF = datetime(2013, 1, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def state(api: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The flights of 1 to 24 January in the lake, small spans, and a Prefect server."""
    folder = tmp_path_factory.mktemp("state")
    flights = load_use_case("flights").model_dump(mode="json", by_alias=True)
    flights["split"] = {"validation": "4d", "holdout": "4d", "min_rows": 1000}
    flights["candidates"]["boosting"]["params"]["max_iter"] = 20
    flights["explanations"] = {"flagged": True, "top": 3, "permutations": 8}
    (folder / "flights.yaml").write_text(yaml.safe_dump(flights))
    with lies_in(folder, {"MAINSPRING_USE_CASES": str(folder)}):
        use_case = load_use_case("flights")
        lake_rows.land_rows(use_case, AS_OF - timedelta(days=40), AS_OF + timedelta(days=3))
        feast_store.register_features(use_case)
        feature_refresh.refresh_features(use_case, AS_OF + timedelta(days=3))
        yield folder


@pytest.fixture(scope="module")
def version(state: Path) -> int:
    """A candidate, promoted at AS_OF."""
    registered = train("flights", AS_OF)
    key = f"decision:{registered}"
    open_ledger().record(Entry("flights", "promoted", key, AS_OF, "test", registered))
    return registered


def read_flights_predictions() -> pl.DataFrame:
    return open_lake("flights").scan("predictions").collect()


def test_before_any_champion_and_any_data(state):
    assert score("flights", AS_OF - timedelta(days=30)) == 0
    with pytest.raises(NoRows):
        train("flights", AS_OF - timedelta(days=18))
    assert not open_ledger().entries("flights")


def test_a_candidate_is_registered_recorded_and_no_leak(version):
    model = registry.open_model("flights", version)
    assert model.card.trained_until == AS_OF - timedelta(days=4)
    assert 0.55 < model.card.holdout["roc_auc"] < 0.8
    assert model.card.table_versions["features/weather"] == 0
    assert set(model.card.validation) == {"logistic", "boosting"}
    assert set(model.card.reference.columns) == {*model.card.inputs.inputs, "score"}
    entry = open_ledger().entries("flights")[0]
    assert (entry.what, entry.key) == ("candidate_registered", "candidate:train:2013-01-22")
    assert entry.version == version
    assert entry.evidence["digest"] == model.card.digest
    assert entry.actor.startswith("train ")


def test_training_again_is_the_same_version(version):
    assert train("flights", AS_OF) == version
    assert [e.what for e in open_ledger().entries("flights")] == [
        "candidate_registered",
        "promoted",
    ]


def test_scoring_twice_changes_no_row_and_no_version(version):
    as_of = AS_OF + timedelta(days=2)
    rows = score("flights", as_of, "2d")
    first, at = read_flights_predictions(), open_lake("flights").version("predictions")
    assert 1000 < rows == first.height
    assert first["prediction_time"].is_between(AS_OF, as_of, closed="left").all()
    assert score("flights", as_of, "2d") == rows
    assert open_lake("flights").version("predictions") == at
    assert read_flights_predictions().equals(first)
    assert open_lake("flights").version("contributions") == 0
    why = open_lake("flights").scan("contributions").collect()
    assert why.height == 3 * first["decision"].sum() > 0


def test_the_versions_page_is_a_file_and_lies_with_its_run(version):
    page = Path(settings().reports, "flights", "models", f"v{version}.html")
    assert f"Version {version} is champion since 2013-01-22" in page.read_text()
    found = connect_mlflow().get_model_version("flights", str(version))
    files = connect_mlflow().list_artifacts(found.run_id, "card")
    assert [file.path for file in files] == [f"card/v{version}.html"]


def test_a_window_before_the_promotion_is_scored_from_it_on(version):
    score("flights", AS_OF + timedelta(days=1), "7d")
    assert read_flights_predictions()["prediction_time"].min() >= AS_OF


def test_a_model_with_another_digest_does_not_score(version):
    source = connect_mlflow().get_model_version_download_uri("flights", str(version))
    path = Path(source.removeprefix("file://")) / "model.onnx"
    whole, before = path.read_bytes(), open_lake("flights").version("predictions")
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    registry._open.cache_clear()
    try:
        with pytest.raises(BadModel, match="sha256"):
            score("flights", AS_OF + timedelta(days=3))
    finally:
        path.write_bytes(whole)
    assert open_lake("flights").version("predictions") == before
