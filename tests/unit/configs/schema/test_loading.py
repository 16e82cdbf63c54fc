"""Use cases live side by side: nothing of one is another's, and a broken one stops itself alone."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from configs.errors import BadConfig
from configs.schema.loading import all_use_cases, load_use_case
from configs.settings import ROOT, settings
from flows.cli.app import app
from flows.cli.demo.command import find_demo_use_case
from flows.watch import watch
from tasks.ledger.log import Entry, open_ledger
from tasks.storage.lake import open_lake
from tests.support.landing import AS_OF, ingest_landed, land_files
from tests.support.ledger_entries import START


@pytest.fixture
def three(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flights, a copy of them whose expectations are not there, and one that cannot be read."""
    folder = home / "configs"
    folder.mkdir()
    shipped = (ROOT / "configs" / "flights.yaml").read_text()
    (folder / "flights.yaml").write_text(shipped)
    trains = yaml.safe_load(shipped) | {"name": "trains", "expectations": "expectations.trains"}
    (folder / "trains.yaml").write_text(yaml.safe_dump(trains))
    (folder / "buses.yaml").write_text("name: buses\n")
    monkeypatch.setenv("MAINSPRING_USE_CASES", str(folder))
    settings.cache_clear()


def test_what_is_wrong_with_one_stops_no_other(three):
    land_files("weather")
    with pytest.raises(BadConfig, match=r"buses\.yaml is invalid"):
        load_use_case("buses")
    trains = load_use_case("trains")
    landing = Path(settings().landing)
    (landing / "trains").symlink_to(landing / "flights")
    with pytest.raises(ModuleNotFoundError, match=r"expectations\.trains"):
        ingest_landed(trains)
    intake = ingest_landed(load_use_case("flights"), AS_OF)
    assert [verdict.status for verdict in intake.verdicts] == ["accepted"]
    assert not open_lake("trains").exists("raw/weather")


def test_status_shows_the_others_and_then_says_what_is_wrong(three):
    result = CliRunner().invoke(app, ["status"], env={"COLUMNS": "200"})
    assert result.exit_code == 1
    for name in ("flights", "trains"):
        assert f"run mainspring run ingest {name}" in result.output
    assert "buses.yaml is invalid" in result.output


@pytest.mark.parametrize("flags", [["--write"], []])
def test_deployments_leave_out_an_invalid_use_case(three, flags):
    result = CliRunner().invoke(app, ["deployments", "--write"])
    result = CliRunner().invoke(app, ["deployments", *flags])
    assert result.exit_code == 1
    assert "buses.yaml is invalid" in result.output
    assert "title: Field required" in result.output
    assert "Every valid use case is deployed" in result.output
    made = yaml.safe_load((settings().use_cases.parent / "prefect.yaml").read_text())
    queues = {d["work_pool"].get("work_queue_name") for d in made["deployments"]}
    assert queues == {"flights", "trains", None}


def test_a_run_of_the_broken_one_says_what_to_mend(three):
    with pytest.raises(BadConfig, match=r"(?s)buses\.yaml is invalid.*title: Field required"):
        watch.fn("buses")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"known_from: 2013-02-30", b"name: [", b"- a list", b""]
)
def test_whatever_a_file_holds_is_the_mistake_of_that_one(three, content):
    (settings().use_cases / "buses.yaml").write_bytes(content)
    (settings().use_cases / ".#flights.yaml").symlink_to("somebody@edits")
    found = all_use_cases()
    assert [case.name for case in found.sound] == ["flights", "trains"]
    assert "buses.yaml" in str(found.broken.pop("buses"))
    assert found.broken == {}


def test_the_demo_plays_one_that_holds(three):
    assert find_demo_use_case() == "flights"


def test_each_has_its_own_rows_in_ledger_and_lake(three):
    for name in ("flights", "trains"):
        open_ledger().record(
            Entry(name, "promoted", "decision:1", START, "test", 1, {"reason": "-"})
        )
    assert [e.seq for e in open_ledger().entries("trains")] == [1]
    assert open_lake("flights").uri("raw/weather") != open_lake("trains").uri("raw/weather")
