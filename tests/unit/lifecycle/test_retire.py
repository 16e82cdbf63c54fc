"""A retired use case: no YAML file, its history stays."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from configs.errors import BadConfig
from configs.schema.loading import use_case_names
from configs.settings import ROOT, settings
from flows.cli.app import app
from tasks.ledger.log import Entry, open_ledger
from tasks.lifecycle.retire import retire_use_case, retired_file

AT = datetime(2013, 6, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "yaml"
    folder.mkdir()
    shutil.copy(ROOT / "configs" / "flights.yaml", folder)
    monkeypatch.setenv("MAINSPRING_USE_CASES", str(folder))
    settings.cache_clear()
    return folder


def test_retire_use_case_once_and_its_history_stays(folder: Path) -> None:
    open_ledger().record(Entry("flights", "promoted", "decision:1", AT, "promote 1", 1))
    first = retire_use_case(open_ledger(), "flights", AT, "ada", "no longer used")
    assert retire_use_case(open_ledger(), "flights", AT.replace(year=2014), "bob", "-") == first
    assert use_case_names() == []
    assert retired_file("flights").exists()
    shown = CliRunner().invoke(app, ["history", "flights"])
    assert shown.exit_code == 0
    assert "ada" in shown.output
    assert "no longer used" in shown.output
    unknown = CliRunner().invoke(app, ["history", "parcels"])
    assert unknown.exit_code == 1
    assert "Models in the ledger: flights" in unknown.output


def test_retire_use_case_takes_an_invalid_file_and_no_unknown_name(folder: Path) -> None:
    (folder / "flights.yaml").write_text("no use case")
    retire_use_case(open_ledger(), "flights", AT, "ada", "-")
    with pytest.raises(BadConfig, match="nothing to retire"):
        retire_use_case(open_ledger(), "parcels", AT, "ada", "-")
