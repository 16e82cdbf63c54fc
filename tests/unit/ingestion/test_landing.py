import os
from datetime import UTC, datetime, timedelta

import pytest

from configs.schema.use_case import UseCase
from tasks.ingestion import landing
from tasks.ingestion.landing import (
    FileVerdict,
    LandedFile,
    discover_files,
    list_refused_files,
    read_landed_file,
    record_files,
    select_new_refusals,
)
from tasks.ingestion.refusals import digest_rules
from tasks.storage.file_records import read_file_records
from tests.support.landing import land_files

NOW = datetime(2013, 1, 5, tzinfo=UTC)


def test_no_landing_folder_is_no_file(flights: UseCase) -> None:
    assert discover_files(flights) == []
    assert read_file_records(flights).is_empty()


def test_discover_files_orders_them_and_skips_unfinished_ones(flights: UseCase) -> None:
    second, first = land_files("weather", days=2)[::-1]
    land_files("arrivals")
    first.with_name(".2013-01-09.csv").write_text("unfinished")
    first.with_name("_temporary.csv").write_text("unfinished")
    first.with_name("notes.txt").write_text("not a file of the table")
    found = discover_files(flights)
    assert [(f.table, f.path) for f in found] == [
        ("arrivals", "arrivals/2013-01-02.parquet"),
        ("weather", "weather/2013-01-02.csv"),
        ("weather", "weather/2013-01-03.csv"),
    ]
    assert [f.size for f in found[1:]] == [first.stat().st_size, second.stat().st_size]


def test_folders_below_count_as_the_tables(flights: UseCase) -> None:
    (path,) = land_files("weather")
    (path.parent / "jfk").mkdir()
    path.rename(path.parent / "jfk" / path.name)
    assert [f.path for f in discover_files(flights)] == ["weather/jfk/2013-01-02.csv"]


def test_a_recorded_file_is_not_opened_again(
    flights: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_files("weather")
    (file,) = discover_files(flights)
    record_files(flights, [FileVerdict(file, "accepted", 72, 72)], NOW)
    monkeypatch.delattr(landing, "_hash_entry")
    assert discover_files(flights) == []


def test_a_touched_file_is_a_copy_of_itself(flights: UseCase) -> None:
    (path,) = land_files("weather")
    (file,) = discover_files(flights)
    record_files(flights, [FileVerdict(file, "accepted", 72, 72)], NOW)
    os.utime(path, (1, 1))
    (touched,) = discover_files(flights)
    assert touched.copy_of == file.path
    record_files(flights, [FileVerdict(touched, "duplicate")], NOW)
    assert discover_files(flights) == []


def test_discover_files_retries_refused_ones_when_asked(flights: UseCase) -> None:
    land_files("weather")
    (file,) = discover_files(flights)
    record_files(
        flights, [FileVerdict(file, "refused", judged_by=digest_rules(flights, "weather"))], NOW
    )
    assert discover_files(flights) == []
    assert discover_files(flights, retry_refused=True) == [file]
    record_files(flights, [FileVerdict(file, "accepted", 72, 72)], NOW)
    assert discover_files(flights, retry_refused=True) == []


@pytest.mark.parametrize(
    ("cause", "rules", "days", "again"),
    [("content", "same", 9, False), ("suite", "other", 0, True), ("suite", "same", 9, False),
     ("time", "same", 0, False), ("time", "same", 2, True), ("content", "", 0, True)],
)  # fmt: skip
def test_a_refusal_is_looked_at_again_if_time_or_other_rules_may_heal_it(
    flights: UseCase, cause: str, rules: str, days: int, again: bool
) -> None:
    land_files("weather")
    (file,) = discover_files(flights)
    judged = digest_rules(flights, "weather") if rules == "same" else rules
    tomorrow = NOW + timedelta(days=1) if cause == "time" else None
    told = {"cause": cause, "judged_by": judged, "retry_from": tomorrow}
    verdict = FileVerdict(file, "refused", 72, reason="wrong", **told)  # type: ignore[arg-type]
    assert select_new_refusals(flights, [verdict]) == [verdict]
    record_files(flights, [verdict], NOW)
    assert select_new_refusals(flights, [verdict]) == []
    assert list_refused_files(flights)["path"].to_list() == [file.path]
    assert discover_files(flights, as_of=NOW + timedelta(days=days)) == [file] * again
    record_files(flights, [FileVerdict(file, "accepted", 72, 72)], NOW)
    assert list_refused_files(flights).is_empty()
    assert discover_files(flights, as_of=NOW + timedelta(days=days)) == []


def test_recording_twice_says_it_once(flights: UseCase) -> None:
    land_files("weather", days=2)
    verdicts = [
        FileVerdict(file, "accepted", 72, 70, 2, "wind") for file in discover_files(flights)
    ]
    first = record_files(flights, verdicts[:1], NOW)
    assert first == record_files(flights, verdicts[:1], NOW)
    record_files(flights, verdicts, NOW)
    files = read_file_records(flights).sort("path")
    assert files["path"].to_list() == ["weather/2013-01-02.csv", "weather/2013-01-03.csv"]
    assert files.select("rows", "accepted", "quarantined", "reason").row(0) == (72, 70, 2, "wind")


def test_read_landed_file_leaves_a_changing_file_for_later(flights: UseCase) -> None:
    (path,) = land_files("weather")
    (file,) = discover_files(flights)
    path.write_text(path.read_text() + "\n")
    assert read_landed_file(flights, file) is None


def test_a_landed_file_is_read_in_its_tables_types(flights: UseCase) -> None:
    land_files("arrivals")
    (file,) = discover_files(flights)
    assert isinstance(file, LandedFile)
    rows = read_landed_file(flights, file)
    assert rows is not None
    assert rows.columns == list(flights.tables["arrivals"].columns)
