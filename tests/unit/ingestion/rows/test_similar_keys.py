"""Keys that look alike are told, and changed by nothing."""

from pathlib import Path
from unicodedata import normalize

import pytest

from tasks.ingestion.rows.similar_keys import find_similar_keys
from tests.support.landing import ingest_landed, rows_of
from tests.support.parcel_files import NOON, land_lines, line, parcels_use_case

ZOE = normalize("NFC", "Zoë")


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        (["A1"], ["A1 ", "B"], 2),
        (["a1", "A2"], ["A1", "A3"], 2),
        ([ZOE], [normalize("NFD", ZOE), "Zoe"], 2),
        (["A1", "A2"], ["A1", "A10", "A 1"], 0),
        ([], ["A1", " A1", "a1"], 3),
    ],
)
def test_keys_that_look_alike_are_told(
    home: Path, first: list[str], second: list[str], alike: int
) -> None:
    case = parcels_use_case()
    for number, keys in enumerate((first, second)):
        if keys:
            land_lines(f"parcels/{number}.csv", *map(line, keys))
            intake = ingest_landed(case, NOON)
    found = find_similar_keys(case, intake.accepted)
    assert [each.keys for each in found] == ([alike] if alike else [])
    assert all("do not join" in each.describe() for each in found)
    assert rows_of(case, "raw/parcels")["parcel"].n_unique() == len({*first, *second})
