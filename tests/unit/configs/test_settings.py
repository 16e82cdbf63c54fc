"""Settings: places under the state folder, and wrong values."""

import pytest

from configs.errors import BadConfig
from configs.settings import Settings, settings


def test_everything_lives_under_the_state_folder(home):
    found = settings()
    assert found.landing == str(home / "landing")
    assert found.ledger_url == f"sqlite:///{home / 'ledger.db'}"


def test_one_setting_moves_one_place(home, monkeypatch):
    monkeypatch.setenv("MAINSPRING_LAKE", "s3://bucket/lake")
    assert Settings().lake == "s3://bucket/lake"
    assert Settings().landing == str(home / "landing")


def test_a_wrong_setting_is_named(home, monkeypatch):
    monkeypatch.setenv("MAINSPRING_PREFECT_PORT", "many")
    with pytest.raises(BadConfig, match="MAINSPRING_PREFECT_PORT"):
        settings()
