"""The ingest flow under a real, temporary Prefect server."""

import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.events import Event
from prefect.events.filters import EventFilter, EventNameFilter

from configs.schema.loading import load_use_case
from configs.settings import settings
from feature_repo.flights.source import FIRST_DAY, write_landing
from flows.ingest import ingest
from tasks.storage.lake import open_lake
from tests.support.landing import ingest_versions
from tests.support.prefect_artifacts import read_artifact

pytestmark = pytest.mark.server
AS_OF = datetime(2013, 1, 3, tzinfo=UTC)


def events(name: str, patience: float = 20) -> list[Event]:
    """The events of a name that the server has stored, as soon as there are any."""
    until = time.monotonic() + patience
    with get_client(sync_client=True) as client:
        while True:  # a filter looks no further than its own making
            asked = EventFilter(event=EventNameFilter(name=[name]))
            found: list[Event] = client.read_events(asked, limit=50).events
            if found or time.monotonic() > until:
                return found
            time.sleep(0.5)


def test_ingest_flow_commits_reports_refusals_and_refreshes(home: Path, api: None) -> None:
    landing = Path(settings().landing) / "flights"
    write_landing(landing, FIRST_DAY, AS_OF.date())
    broken = landing / "weather" / "2013-01-02.csv"
    broken.write_text("origin,observed\nJFK,2013-01-02T06:00:00Z\n")
    state = ingest("flights", as_of=AS_OF, return_state=True)
    assert state.is_completed()
    assert state.name == "RowsLost"
    assert state.message is not None
    assert "9 files ingested" in state.message
    assert "1 refused" in state.message
    assert "| arrivals | 2 | 0 |" in read_artifact("flights-landed")
    assert "weather/2013-01-02.csv: column temperature" in read_artifact("flights-refused")
    docs = next((home / "reports" / "flights" / "data_docs").glob("2013*/index.html"))
    assert docs.as_uri() in read_artifact("flights-docs")
    refused = {each.payload["file"]: each for each in events("mainspring.refused")}
    event = refused["weather/2013-01-02.csv"]
    assert "column temperature" in event.payload["reason"]
    flights = load_use_case("flights")
    features = [f"features/{view}" for view in flights.features.views]
    built = open_lake("flights").versions(features)
    assert built.keys() == set(features)
    before = ingest_versions(flights)
    again = ingest("flights", as_of=AS_OF)
    assert "1 of its files wholly: weather/2013-01-02.csv: column temperature" in again
    assert "; 0 files ingested" in again
    assert again.endswith("refused and not taken yet: weather/2013-01-02.csv")
    assert ingest_versions(flights) == before
    assert open_lake("flights").versions(features) == built


def test_a_first_day_without_all_tables_waits_with_the_features(home: Path, api: None) -> None:
    write_landing(Path(settings().landing) / "flights", FIRST_DAY, date(2013, 1, 1))
    assert ingest("flights", as_of=datetime(2013, 1, 1, tzinfo=UTC)).startswith("2 files ingested")
    assert not (home / "lake" / "flights" / "features").exists()
