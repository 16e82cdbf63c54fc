"""Damaged and odd places: a table is read as it was written, or refused by name."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import polars as pl
import pytest

from configs.errors import Damaged, MainspringError
from infra.storage.delta import find_damage
from infra.storage.digests import (
    DIGESTS_FOLDER,
    compute_digest,
    record_digests,
    remove_checkpoint,
)
from tasks.storage.lake import Lake
from tests.support.damage import damage_file
from tests.support.day_rows import days

ODD_NAMES = [
    "My Projects ü {x}'", "50%done", "no#1", "what?", "star*", "it's", "a&b=c", "tr+plus",
    "$HOME", "~", 'q"uote', "x:y", "名前", "e\u0301", " lead", "trail ", "date=2020", "s3:", "<x>",
    "semi;colon,comma",
]  # fmt: skip


def make_table(root: Path, commits: int = 12) -> Lake:
    lake = Lake(str(root))
    for day in range(commits):
        lake.append_once("raw/x", {f"day {day}": days(day, day + 1, value=day)}, note={"day": day})
    return lake


def read_everything(lake: Lake) -> tuple[object, ...]:
    rows = lake.scan("raw/x").collect().sort("day")
    return rows.rows(), lake.version("raw/x"), lake.note("raw/x"), lake.holds("raw/x", "day 3")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_table_works_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    lake = make_table(tmp_path / name / "lake", 2)
    assert lake.scan("raw/x").collect().height == 2
    assert lake.scan("raw/x", version=0).collect().height == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_each_file_of_a_table_has_a_digest_that_other_tools_read(tmp_path: Path) -> None:
    folder = Path(make_table(tmp_path).uri("raw/x"))
    written = [p for p in folder.rglob("*") if p.is_file() and DIGESTS_FOLDER not in str(p)]
    for path in written:
        if path.name != "_last_checkpoint":
            line = (folder / DIGESTS_FOLDER / f"{path.name}.sha256").read_text()
            assert line == f"{compute_digest(path)}  {path.relative_to(folder)}\n"


def test_record_digests_writes_what_a_killed_commit_left_out(tmp_path: Path) -> None:
    lake = make_table(tmp_path, 3)
    digests = Path(lake.uri("raw/x"), DIGESTS_FOLDER)
    before = {path.name: path.read_text() for path in digests.iterdir()}
    shutil.rmtree(digests)
    assert read_everything(lake)  # of an older version: there is nothing to compare with
    lake.append_once("raw/x", {"more": days(3, 4)})
    after = {path.name: path.read_text() for path in digests.iterdir()}
    assert before.items() <= after.items()
    record_digests(Path(lake.uri("raw/x")), [])
    assert after == {path.name: path.read_text() for path in digests.iterdir()}


@pytest.mark.parametrize("how", ["flip", "cut", "remove"])
def test_damage_is_refused_by_name_or_changes_nothing(tmp_path: Path, how: str) -> None:
    whole = make_table(tmp_path / "whole")
    expected, chance = read_everything(whole), random.Random(13)
    files = sorted(p.relative_to(tmp_path / "whole") for p in Path(whole.root).rglob("*.*"))
    files.append(Path("raw/x/_delta_log/_last_checkpoint"))
    files = chance.sample(files, 20)
    results = [read_damaged(whole, name, how, chance) for name in files]
    assert all(result in ("refused", expected) for result in results)
    assert results.count("refused") > 4


def read_damaged(whole: Lake, name: Path, how: str, chance: random.Random) -> object:
    """What a copy with one damaged file holds, or "refused" if an error names the copy."""
    copy = Path(whole.root).with_name("copy")
    shutil.copytree(whole.root, copy)
    damage_file(copy / name, how, chance)
    try:
        return read_everything(Lake(str(copy)))
    except Damaged as error:
        return "refused" if str(copy) in str(error) else str(error)
    finally:
        shutil.rmtree(copy)


def test_files_that_a_vacuum_took_are_named_with_their_version(tmp_path: Path) -> None:
    lake = make_table(tmp_path, 2)
    lost = next(Path(lake.uri("raw/x")).glob("*.parquet"))
    lost.unlink()
    with pytest.raises(Damaged, match=rf"version 1 of .*raw/x is no longer there.*{lost.name}"):
        lake.scan("raw/x")
    with pytest.raises(MainspringError, match=r"version 7 of the table cannot be read"):
        lake.scan("raw/x", version=7)


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    lake = make_table(tmp_path, 1)
    assert lake.scan("raw/x").select(pl.len()).collect().item() == 1
    data = next(Path(lake.uri("raw/x")).glob("*.parquet"))
    damage_file(data, "flip", random.Random(1))
    with pytest.raises(Damaged, match="differs from its digest"):
        lake.scan("raw/x")


def test_a_wrong_hint_of_a_checkpoint_is_removed(tmp_path: Path) -> None:
    lake = make_table(tmp_path)
    expected, folder = read_everything(lake), Path(lake.uri("raw/x"))
    hint = folder / "_delta_log" / "_last_checkpoint"
    hint.write_text(hint.read_text().replace('"version":', '"version":9'))
    with pytest.raises(Damaged, match="the Delta log cannot be read"):
        lake.scan("raw/x")
    assert [*find_damage(str(folder))] == ["_delta_log"]
    assert remove_checkpoint(folder, "_delta_log")
    assert read_everything(lake) == expected
    assert find_damage(str(folder)) == {}


def test_a_damaged_checkpoint_is_replaced_by_its_commits(tmp_path: Path) -> None:
    lake = make_table(tmp_path)
    expected, folder = read_everything(lake), Path(lake.uri("raw/x"))
    checkpoint = next((folder / "_delta_log").glob("*.checkpoint.parquet"))
    damage_file(checkpoint, "flip", random.Random(3))
    (name,) = find_damage(str(folder))
    assert remove_checkpoint(folder, name)
    assert read_everything(lake) == expected
    assert find_damage(str(folder)) == {}
