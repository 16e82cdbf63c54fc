"""Erasing a key leaves no trace of it in the lake, also after a kill."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from configs.settings import settings
from infra.storage.delta import find_damage
from tasks.ingestion.rows.erased_keys import count_erased_rows
from tasks.ledger.log import open_ledger
from tasks.row_changes import erase
from tasks.row_changes.erase import (
    erase_key,
    parse_erase_key,
    plan_erasure,
    remove_landed_files,
)
from tasks.storage.lake import Lake, open_lake
from tests.support.landing import ingest_landed, rows_of
from tests.support.parcel_files import NOON, land_lines, line, parcels_use_case

SECRET = "Zoë-4711"
KEY = {"parcel": SECRET}


@pytest.fixture
def use_case(home: Path) -> UseCase:
    """The key in raw, quarantine, predictions and a feature table, in several versions."""
    case, lake = parcels_use_case(), open_lake("flights")
    land_lines("parcels/a.csv", line("A"), line(SECRET), line(SECRET, 900, "2024-03-01T11:00:00Z"))
    land_lines("parcels/b.csv", line("B"))
    ingest_landed(case, NOON)
    time = pl.lit(NOON).cast(pl.Datetime("us", "UTC"))
    rows = pl.DataFrame({"parcel": ["A", SECRET], "score": [0.1, 0.2]})
    window = (NOON, NOON + timedelta(days=1))
    predicted = rows.with_columns(time.alias(case.spine.time))
    lake.replace_window("predictions", predicted, case.spine.time, window)
    built = rows.with_columns(time.alias("created_timestamp"))
    view = case.features.views[0]
    lake.replace_window(f"features/{view}", built, "created_timestamp", window, note={"raw": {}})
    return case


def erase_all(case: UseCase) -> None:
    erase_key(
        open_ledger(),
        case,
        plan_erasure(open_ledger(), case, KEY, NOON),
        NOON,
        "ann",
        "asked by mail",
    )


def find_traces() -> list[str]:
    """Files of the lake whose bytes hold the key."""
    root = Path(settings().lake)
    found = (path for path in root.rglob("*") if path.is_file())
    return [str(path) for path in found if SECRET.encode() in path.read_bytes()]


def test_an_erasure_leaves_no_trace_in_the_lake(use_case: UseCase) -> None:
    plan = plan_erasure(open_ledger(), use_case, KEY, NOON)
    assert plan.rows == {"raw/parcels": 1, "quarantine/parcels": 1, "predictions": 1}
    assert plan.files == ["parcels/a.csv"]
    assert find_traces()
    erase_all(use_case)
    assert find_traces() == []
    assert rows_of(use_case, "raw/parcels")["parcel"].to_list() == ["A", "B"]
    assert rows_of(use_case, "predictions")["parcel"].to_list() == ["A"]
    (told,) = open_ledger().entries("flights")
    assert (told.what, told.actor) == ("rows_erased", "ann")
    assert SECRET not in str(told)
    remove_landed_files(use_case, plan)
    assert not (Path(settings().landing) / "flights" / "parcels" / "a.csv").exists()


def test_a_verification_after_an_erasure_finds_nothing_damaged(use_case: UseCase) -> None:
    erase_all(use_case)
    lake = open_lake("flights")
    tables = ("raw/parcels", "quarantine/parcels", "predictions")
    assert {table: find_damage(lake.uri(table)) for table in tables} == {
        table: {} for table in tables
    }


def test_files_are_not_ingested_again_after_an_erasure(use_case: UseCase) -> None:
    erase_all(use_case)
    assert ingest_landed(use_case, NOON).verdicts == []
    land_lines("parcels/c.csv", line(SECRET, 2, "2024-03-01T09:00:00Z"), line("C"))
    intake = ingest_landed(use_case, NOON)
    entries = open_ledger().entries("flights")
    assert count_erased_rows(entries, intake.accepted) == {"parcels": 1}
    assert count_erased_rows([], intake.accepted) == {}


@pytest.mark.parametrize(("place", "step"), [(Lake, "keep_rows"), (erase, "purge_older_versions")])
@pytest.mark.parametrize("calls", [0, 2])
def test_a_killed_erasure_is_completed_by_the_next(
    use_case: UseCase, monkeypatch: pytest.MonkeyPatch, place: Any, step: str, calls: int
) -> None:
    whole, left = getattr(place, step), iter(range(calls))

    def killed(*given: Any) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        whole(*given)

    with monkeypatch.context() as patch:
        patch.setattr(place, step, killed)
        with pytest.raises(KeyboardInterrupt):
            erase_all(use_case)
    erase_all(use_case)
    assert find_traces() == []
    assert len(open_ledger().entries("flights")) == 1


@pytest.mark.parametrize("text", ["", "N123", "a=", "=b", "a=b,c"])
def test_a_key_that_is_none_is_named(text: str) -> None:
    with pytest.raises(BadConfig, match="--key"):
        parse_erase_key(text)


def test_a_key_of_no_table_is_named(use_case: UseCase) -> None:
    with pytest.raises(BadConfig, match="no table of flights has the columns colour"):
        plan_erasure(open_ledger(), use_case, {"colour": "red"}, NOON)
