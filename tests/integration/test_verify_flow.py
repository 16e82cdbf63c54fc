"""The verify flow: a damaged raw file pages until it is restored."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from configs.settings import settings
from flows.verify import verify
from tasks.ledger.log import open_ledger
from tests.support.damage import damage_file
from tests.support.parcel_rows import APRIL, DAY, MARCH, parcel_rows
from tests.support.small_case import small_case


@pytest.mark.server
def test_damaged_raw_file_pages_until_it_is_restored(tmp_path: Path, api: None) -> None:
    with small_case(tmp_path) as parcels:
        parcels.land("spring", parcel_rows(MARCH, days=3))
        parcels.ingest(APRIL)
        file = next(Path(settings().lake, parcels.name, "raw", "parcels").glob("*.parquet"))
        sound = file.read_bytes()
        damage_file(file, "cut", random.Random(1))
        for night in (1, 2):
            state = verify(parcels.name, as_of=APRIL + night * DAY, return_state=True)
            assert state.is_failed()
            assert file.name in str(state.message)
        file.write_bytes(sound)
        assert verify(parcels.name, as_of=APRIL + 3 * DAY, return_state=True).is_completed()
        kinds = [entry.what for entry in open_ledger().entries(parcels.name)]
        assert kinds == ["episode_opened", "episode_closed"]


def test_commands_print_damage_and_quarantine_as_json(tmp_path: Path) -> None:
    import json

    from typer.testing import CliRunner

    from flows.cli.app import app

    with small_case(tmp_path) as parcels:
        rows = parcel_rows(MARCH, days=3)
        parcels.land("spring", rows)
        parcels.ingest(APRIL)

        def call(*words: str) -> list[dict[str, object]]:
            return list(json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout))

        assert call("verify", parcels.name) == []
        assert call("quarantine", parcels.name) == []
        file = next(Path(settings().lake, parcels.name, "raw", "parcels").glob("*.parquet"))
        damage_file(file, "cut", random.Random(1))
        (damage,) = call("verify", parcels.name)
        assert file.name in str(damage["file"])
        assert damage["remedy"]
