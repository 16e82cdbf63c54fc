"""The summary of an ingest."""

from tasks.ingestion.landing import FileVerdict, LandedFile
from tasks.ingestion.summary import count_files_by_table, summarise_ingest

VERDICTS = [
    FileVerdict(
        LandedFile("weather", "a", "weather/1.csv", 1, 0), "accepted", 11, 8, 2, repeated=1
    ),
    FileVerdict(LandedFile("weather", "b", "weather/2.csv", 1, 0), "refused", 5, reason="no rows"),
    FileVerdict(LandedFile("planes", "c", "planes/1.csv", 1, 0), "duplicate"),
]


def test_count_files_by_table_counts_files_and_rows():
    weather, planes = count_files_by_table(VERDICTS).to_dicts()
    assert weather == {
        "table": "weather", "files": 2, "refused": 1, "duplicates": 0,
        "rows": 16, "accepted": 8, "quarantined": 2, "repeated": 1, "refused_rows": 5,
    }  # fmt: skip
    assert (planes["table"], planes["files"], planes["duplicates"]) == ("planes", 1, 1)


def test_summarise_ingest_is_one_sentence():
    expected = "1 files ingested (8 rows, 2 more in quarantine, 1 copies), 1 refused, 1 duplicates"
    assert summarise_ingest(VERDICTS) == expected
