"""A damaged file of the state is refused by name, made again, or changes nothing: never silent."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from configs.errors import Damaged, MainspringError
from configs.settings import settings
from tasks.lifecycle.verification import StateDamage, verify_state
from tasks.models.registry import open_model, predict
from tasks.storage.lake import open_lake
from tests.support.damage import damage_file
from tests.support.parcel_rows import APRIL, DAY, MARCH, parcel_rows
from tests.support.small_case import SmallCase, small_case
from tests.support.state import forget

NIGHT = APRIL + 2 * DAY


@dataclass
class Sound:
    """A use case with a champion and scored rows, its state to copy from, and what it holds."""

    case: SmallCase
    copy: Path
    results: tuple[object, ...]

    def restore(self) -> None:
        """Put the state back as it was."""
        state = self.case.folder / "state"
        shutil.rmtree(state)
        shutil.copytree(self.copy, state)
        forget()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sound]:
    folder = tmp_path_factory.mktemp("verified")
    with small_case(folder / "case") as parcels:
        parcels.land("spring", parcel_rows(MARCH, days=40))
        parcels.ingest(APRIL)
        parcels.train(APRIL)
        parcels.promote()
        for day in range(2):
            moment = APRIL + day * DAY
            parcels.land(f"day{day}", parcel_rows(moment), at=moment)
            parcels.ingest(moment + DAY)
            parcels.score(moment + DAY)
        shutil.copytree(folder / "case" / "state", folder / "copy")
        yield Sound(parcels, folder / "copy", read_results(parcels))


@pytest.fixture
def parcels(sound: Sound) -> Iterator[SmallCase]:
    sound.restore()
    yield sound.case
    sound.restore()


def read_results(case: SmallCase) -> tuple[object, ...]:
    """What people see: features joined anew, predictions of the model, tables and ledger."""
    due = case.due_rows(NIGHT)
    features = open_lake(case.name).scan("features/parcels").collect().sort("parcel")
    model = open_model(case.name, 1)
    keys = list(case.use_case.spine.key)
    predicted = predict(model, features.join(due, on=keys).sort(keys)).tolist()
    stored = case.predictions().sort(keys).rows()
    raw, records = case.raw().sort(keys).rows(), case.file_records().rows()
    return features.rows(), predicted, stored, raw, records, case.ledger()


def list_state(folder: Path) -> list[Path]:
    """The files of the state that hold data: no locks, no reports."""
    skipped = ("reports", ".lock", "-shm", "-wal")
    paths = (path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    return sorted(path for path in paths if not any(each in str(path) for each in skipped))


def try_damage(sound: Sound, path: Path, how: str, chance: random.Random) -> str:
    """Damage one file; return how that ends: `refused`, `harmless`, or what is wrong."""
    damage_file(path, how, chance)
    forget()
    try:
        results = read_results(sound.case)
    except MainspringError:
        outcome = "refused"
    except Exception as error:  # noqa: BLE001 - the test is about these
        outcome = f"untyped {type(error).__name__}: {error}"
    else:
        outcome = "harmless" if results == sound.results else "silent"
    forget()
    try:
        found = verify_state(sound.case.use_case, NIGHT)
    except Exception as error:  # noqa: BLE001
        return f"verify fails: {type(error).__name__}: {error}"
    if outcome == "refused" and not found:
        return "refused, but verify finds nothing"
    return outcome


@pytest.mark.parametrize(
    "tries",
    [8, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(3000)])],
    ids=["some", "many"],
)
def test_no_damage_is_silent(sound: Sound, tries: int) -> None:
    chance, outcomes = random.Random(4), {}
    for number in range(tries):
        sound.restore()
        path = chance.choice(list_state(sound.case.folder / "state"))
        how = chance.choice(["flip", "flip", "cut"])
        outcomes[f"{number} {how} {path}"] = try_damage(sound, path, how, chance)
    sound.restore()
    wrong = {k: v for k, v in outcomes.items() if v not in ("refused", "harmless")}
    assert wrong == {}
    assert list(outcomes.values()).count("refused") > tries / 5


def verify_case(case: SmallCase) -> list[StateDamage]:
    return verify_state(case.use_case, NIGHT)


def test_a_sound_state_has_no_damage(parcels: SmallCase) -> None:
    assert verify_case(parcels) == []


@pytest.mark.parametrize(
    "pattern", ["*.parquet", "_delta_log/*0.json", "_delta_log/*2.json"], ids=str
)
def test_features_are_built_again_equal(parcels: SmallCase, sound: Sound, pattern: str) -> None:
    path = sorted(Path(open_lake("parcels").uri("features/parcels")).glob(pattern))[-1]
    damage_file(path, "flip", random.Random(2))
    with pytest.raises(Damaged, match=str(path)):
        read_results(parcels)
    (found,) = verify_case(parcels)
    assert (found.file, found.repaired) == (str(path), True)
    assert read_results(parcels) == sound.results
    assert verify_case(parcels) == []


@pytest.mark.parametrize(
    ("pattern", "remedy"),
    [
        ("lake/parcels/raw/parcels/*.parquet", "run ingest, which reads the landed files again"),
        ("lake/parcels/predictions/*.parquet", "score its window again"),
        ("lake/parcels/files/_delta_log/*.json", "rows that the raw tables have"),
        ("landing/parcels/parcels/day0.csv", "restore it from its source"),
        ("mlflow/**/model.onnx", "train another version"),
        ("ledger.db", "it records every promotion"),
        ("feast_registry.db", "registers the features again"),
    ],
)
def test_what_cannot_be_made_again_is_named_with_its_remedy(
    parcels: SmallCase, pattern: str, remedy: str
) -> None:
    path = sorted((parcels.folder / "state").glob(pattern))[-1]
    if path.suffix == ".db":  # all that is in its write-ahead log, into the file
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("pragma wal_checkpoint(truncate)")
    content, seen = path.read_bytes(), path.stat()
    middle = len(content) // 3
    path.write_bytes(content[:middle] + b"#" * middle + content[2 * middle :])
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    forget()
    found = [damage for damage in verify_case(parcels) if not damage.repaired]
    assert len(found) == 1
    assert remedy in found[0].remedy
    assert settings().state.name in found[0].file or "version 1" in found[0].file


def test_raw_rows_come_again_from_landed_files_as_the_remedy_says(
    parcels: SmallCase, sound: Sound
) -> None:
    lake = Path(open_lake("parcels").root)
    damage_file(next((lake / "raw/parcels").glob("*.parquet")), "cut", random.Random(1))
    assert "raw/parcels" in verify_case(parcels)[0].file
    for table in ("raw/parcels", "files", "features"):
        (lake / table).rename(parcels.folder / table.replace("/", "-"))
    parcels.ingest(NIGHT)
    assert parcels.raw().sort("parcel").rows() == sound.results[3]
    assert [each for each in verify_case(parcels) if not each.repaired] == []
