"""The rules of docs/files.md on which files are taken, each with an example."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from configs.settings import settings
from tests.support.parcel_rows import APRIL, DAY, HOUR, parcel_rows
from tests.support.small_case import SmallCase, small_case
from tests.support.small_case_files import SmallTable

HEADER = "parcel,depot,weight,items,fragile,sent,damaged\n"
ROW = "{},north,2.5,1,true,2024-04-09T10:00:00Z,{}"


@pytest.fixture
def parcels(tmp_path: Path) -> Iterator[SmallCase]:
    columns = {
        "parcel": "text", "depot": "text", "weight": "number", "items": "integer",
        "fragile": "boolean", "sent": "time", "damaged": "integer",
    }  # fmt: skip
    table = SmallTable(columns=columns, keys=("parcel",), suffix="csv")
    with small_case(tmp_path, tables={"parcels": table}) as case:
        yield case


def told(case: SmallCase, as_of: object = APRIL) -> dict[str, tuple[str, str]]:
    """The status and reason of each file that a run tells of, by its name."""
    verdicts = case.ingest(as_of)  # type: ignore[arg-type]
    return {v.file.path.removeprefix("parcels/"): (v.status, v.reason) for v in verdicts}


def test_a_bad_file_among_a_hundred_costs_that_file_alone(parcels: SmallCase) -> None:
    for number in range(100):
        parcels.land(f"{number:03}", HEADER + ROW.format(f"P{number}", 0) + "\n")
    folder = Path(settings().landing) / "parcels/parcels"
    (folder / "050.csv").write_bytes(b"\x1f\x8b\x00\xff" * 50 + b"\n")
    os.mkfifo(folder / "pipe.csv")
    (folder / "out.csv").symlink_to("/etc/passwd")
    (folder / "itself.csv").symlink_to("itself.csv")
    os.close(os.open(os.fsencode(folder) + b"/\xff.csv", os.O_CREAT))
    with (folder / "giant.csv").open("wb") as file:
        file.truncate(100 << 30)
    statuses = told(parcels)
    assert parcels.raw().height == 99
    bad = {name: reason for name, (status, reason) in statuses.items() if status == "refused"}
    assert set(bad) == {"050.csv", "pipe.csv", "out.csv", "itself.csv", "\\xff.csv", "giant.csv"}
    assert all(bad.values())
    assert "a named pipe" in bad["pipe.csv"]
    assert "a link that leads out" in bad["out.csv"]
    assert "not UTF-8" in bad["\\xff.csv"]
    assert "102400 MB, the limit is" in bad["giant.csv"]


def test_a_file_that_fits_no_table_is_named_with_the_pattern(parcels: SmallCase) -> None:
    for name in ("ORDERS.CSV", "a.csv.gz", "b.tsv"):
        parcels.land(name, "x")
    parcels.land("c.csv", "x").rename(Path(settings().landing) / "parcels/c.csv")
    found = told(parcels)
    assert {status for status, _ in found.values()} == {"ignored"}
    for name in ("ORDERS.CSV", "a.csv.gz", "b.tsv"):
        reason = f"parcels/{name}: it fits no table; tables.parcels.files is parcels/*.csv"
        assert found[name] == ("ignored", reason)
    assert found["c.csv"][1] == "c.csv: it fits no table (files: parcels/*.csv)"
    assert told(parcels) == found, "it is told by every run"


@pytest.mark.parametrize(
    "name", ["_day.csv", ".day.csv", "day.csv.part", "day.csv.tmp", "day.csv~"]
)
def test_a_file_that_is_being_written_by_its_name_waits(parcels: SmallCase, name: str) -> None:
    path = parcels.land(name, HEADER + ROW.format("A", 0) + "\n")
    parcels.land("_SUCCESS", "")
    path.with_name("_SUCCESS.csv").unlink(missing_ok=True)
    assert {status for status, _ in told(parcels).values()} == {"waiting"}
    path.rename(path.with_name("day.csv"))
    assert told(parcels)["day.csv"][0] == "accepted"


@pytest.mark.parametrize("cut", [1, 2, 3, 9, 16])
def test_a_csv_that_ends_within_a_line_waits_for_its_end(parcels: SmallCase, cut: int) -> None:
    whole = HEADER + ROW.format("A", 1) + "\n" + ROW.format("B", 1) + "\n"
    parcels.land("day", whole[:-cut])
    status, reason = told(parcels)["day.csv"]
    assert status == "waiting"
    assert "half-written; it is taken once it is unchanged for 10m" in reason
    parcels.land("day", whole)
    assert told(parcels, APRIL + HOUR)["day.csv"][0] == "accepted"
    assert parcels.raw()["damaged"].to_list() == [1, 1]
    assert parcels.quarantined().is_empty()


def test_a_csv_without_a_last_line_end_is_taken_when_it_is_still(parcels: SmallCase) -> None:
    parcels.land("whole", HEADER + ROW.format("A", 1))
    parcels.land("cut", HEADER + ROW.format("B", 1)[:-2])
    parcels.land("old", HEADER + ROW.format("C", 1), at=APRIL - HOUR)
    assert {name: status for name, (status, _) in told(parcels).items()} == {
        "whole.csv": "waiting", "cut.csv": "waiting", "old.csv": "accepted",
    }  # fmt: skip
    later = told(parcels, APRIL + timedelta(minutes=10))
    assert later["whole.csv"][0] == "accepted"
    assert later["cut.csv"][0] == "refused"
    assert "has 6 fields, the header has 7" in later["cut.csv"][1]


def test_a_table_may_ask_for_files_to_be_still(parcels: SmallCase) -> None:
    parcels.rewrite(yaml={"tables": {"parcels": {"settle": "2h"}}})
    parcels.land("day", HEADER + ROW.format("A", 1) + "\n", at=APRIL - HOUR)
    assert told(parcels)["day.csv"] == (
        "waiting", "parcels/day.csv: it is taken once it is unchanged for 2h",
    )  # fmt: skip
    assert told(parcels, APRIL + HOUR)["day.csv"][0] == "accepted"


def test_other_content_of_the_same_name_size_and_time_is_looked_at(parcels: SmallCase) -> None:
    parcels.land("day", HEADER + ROW.format("A", 0) + "\n", at=APRIL - DAY)
    assert told(parcels)["day.csv"][0] == "accepted"
    parcels.land("day", HEADER + ROW.format("B", 0) + "\n", at=APRIL - DAY)
    assert told(parcels)["day.csv"][0] == "accepted"
    assert parcels.raw()["parcel"].to_list() == ["A", "B"]
    assert told(parcels) == {}


def test_a_longer_version_of_a_file_adds_its_new_rows(parcels: SmallCase) -> None:
    parcels.land("day", HEADER + ROW.format("A", 0) + "\n")
    assert told(parcels)["day.csv"][0] == "accepted"
    parcels.land("day", HEADER + ROW.format("A", 0) + "\n" + ROW.format("B", 0) + "\n")
    assert told(parcels, APRIL + HOUR)["day.csv"][0] == "accepted"
    assert parcels.raw()["parcel"].to_list() == ["A", "B"]


def test_files_in_capitals_or_compressed_are_read_where_the_pattern_says_so(
    parcels: SmallCase,
) -> None:
    import gzip

    parcels.rewrite(yaml={"tables": {"parcels": {"files": "parcels/*"}}})
    rows = [HEADER + ROW.format(key, 0) + "\n" for key in "ABC"]
    parcels.land("A.CSV", rows[0])
    parcels.land("b.csv.gz", gzip.compress(rows[1].encode()))
    parcels.land("c ü's {x}.tsv", rows[2].replace(",", "\t"))
    parcels.land("notes.txt", "x")
    found = told(parcels)
    assert found.pop("notes.txt")[0] == "ignored"
    assert {status for status, _ in found.values()} == {"accepted"}
    assert parcels.raw()["parcel"].to_list() == ["A", "B", "C"]


def test_a_column_may_be_named_as_ours_and_otherwise_than_in_the_file(
    parcels: SmallCase,
) -> None:
    names = {
        "position": "integer",
        "row_id": {"type": "text", "from": "_file"},
    }
    columns = {"tables": {"parcels": {"columns": names}}}
    parcels.rewrite(yaml=columns)
    text = HEADER.strip() + ",position,_file\n" + ROW.format("A", 0) + ",7,x\n"
    parcels.land("day", text)
    assert told(parcels)["day.csv"][0] == "accepted"
    assert parcels.raw().select("position", "row_id").rows() == [(7, "x")]


def test_a_file_without_rows_is_told_of(parcels: SmallCase) -> None:
    parcels.land("saturday", HEADER)
    status, reason = told(parcels)["saturday.csv"]
    assert status in ("accepted", "refused"), reason


def test_parquet_and_csv_give_the_same_rows(tmp_path: Path) -> None:
    with small_case(tmp_path) as case:
        case.land("day", parcel_rows(APRIL - DAY))
        assert case.ingest(APRIL)[0].status == "accepted"
