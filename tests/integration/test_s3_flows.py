"""A use case from landed files to its monitor, by the flows, with everything that can be on S3.

The loop's own form, with worker and automations, is in tests/e2e/test_loop_on_servers.py.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from prefect.client.orchestration import get_client

from configs.errors import BadConfig
from configs.schema.loading import load_use_case
from configs.settings import settings
from feature_repo.flights.source import write_landing
from flows.ingest import ingest
from flows.monitor import monitor
from flows.promote import promote
from flows.score import score
from flows.train import train
from tasks.ledger.log import open_ledger
from tasks.models import registry
from tasks.storage import files
from tasks.storage.lake import open_lake
from tests.support.s3 import S3
from tests.support.state import forget

pytestmark = [pytest.mark.server, pytest.mark.slow]

START, TRAIN_AT = date(2012, 12, 31), datetime(2013, 1, 22, tzinfo=UTC)
AS_OF = TRAIN_AT + timedelta(days=7)


@pytest.fixture(scope="module")
def bucket(api: None, s3_server: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bucket that holds four weeks of landed flights, and a state folder for the rest."""
    name, folder = s3_server.bucket(), tmp_path_factory.mktemp("state")
    flights = load_use_case("flights").model_dump(mode="json", by_alias=True)
    flights["split"] = {"validation": "3d", "holdout": "5d", "min_rows": 1000}
    flights["candidates"].pop("boosting")
    flights["gate"] |= {"min_rows": 500}
    flights["rollout"] = {"kind": "direct"}
    (folder / "flights.yaml").write_text(yaml.safe_dump(flights))
    own = {"MAINSPRING_STATE": str(folder), "MAINSPRING_USE_CASES": str(folder)}
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in (s3_server.variables | s3_server.places(name) | own).items():
            patch.setenv(variable, value)
        forget()
        with TemporaryDirectory() as landed:
            write_landing(Path(landed), START, AS_OF.date())
            files.upload_folder(Path(landed), f"{settings().landing}/flights")
        yield name
    forget()


def links() -> list[str]:
    """What people can click on, of all that the flows showed."""
    with get_client(sync_client=True) as client:
        return [str(each.data) for each in client.read_artifacts() if each.type == "markdown"]


def test_the_whole_loop_lies_in_the_bucket(bucket: str, s3_server: S3) -> None:
    said = ingest("flights", as_of=AS_OF)
    assert " 0 refused" in said
    version = train("flights", as_of=TRAIN_AT)
    promote("flights", version)
    assert [e.what for e in open_ledger().entries("flights")][-1] == "promoted"
    rows = score("flights", as_of=AS_OF, window="6d")
    assert rows > 3000
    monitor("flights", as_of=AS_OF)

    lake = open_lake("flights")
    assert lake.scan("predictions").collect().height == rows
    assert score("flights", as_of=AS_OF, window="6d") == rows
    assert lake.version("predictions") == 0
    assert lake.exists("monitoring")
    registry._open.cache_clear()
    assert registry.open_model("flights", version).onnx
    keys = s3_server.keys(bucket)
    for ending in (
        "model.onnx", f"artifacts/card/v{version}.html", "models/v1.html", "data_docs",
        "monitor/2013-01-29T0000.html", "monitor/2013-01-29T0000.png",
    ):  # fmt: skip
        assert any(ending in key for key in keys), ending
    assert {key.partition("/")[0] for key in keys} == {"lake", "landing", "reports", "artifacts"}
    left = {path.name.partition(".")[0] for path in settings().state.iterdir()}
    assert left <= {"flights", "ledger", "mlflow", "feast_registry", "feast_online", "prefect"}
    assert any(f"s3://{bucket}/reports/flights/data_docs" in each for each in links())


def test_a_model_that_cannot_be_fetched_says_why(bucket: str, monkeypatch) -> None:
    """MLflow asks boto3, which knows the region by another variable than all others."""
    from mlflow.store.artifact.s3_artifact_repo import _cached_get_s3_client

    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    _cached_get_s3_client.cache_clear()
    forget()
    assert registry.open_model("flights", 1).onnx
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    _cached_get_s3_client.cache_clear()
    forget()
    with pytest.raises(BadConfig, match=r"MAINSPRING_MLFLOW_ARTIFACTS=s3.*denies access"):
        registry.open_model("flights", 1)
    _cached_get_s3_client.cache_clear()
