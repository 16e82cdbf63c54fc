"""Files at an address: here on paths; tests/integration/test_s3.py has the same on S3."""

from pathlib import Path

import pytest

from configs.settings import settings
from tasks.storage import files


def test_what_is_written_is_read_also_in_a_new_folder(tmp_path: Path) -> None:
    address = f"{tmp_path}/new/deep/it.html"
    assert not files.file_exists(address)
    files.write_file(address, b"one")
    files.write_file(address, b"two")
    assert files.file_exists(address)
    assert files.read_file(address) == b"two"
    with pytest.raises(FileNotFoundError):
        files.read_file(f"{tmp_path}/none")


def test_what_lies_below_an_address_at_any_depth(tmp_path: Path) -> None:
    assert files.list_files(f"{tmp_path}/none") == []
    for name in ("a.csv", "deep/b.csv"):
        files.write_file(f"{tmp_path}/{name}", b"12")
    assert sorted((file.path, file.size) for file in files.list_files(str(tmp_path))) == [
        ("a.csv", 2),
        ("deep/b.csv", 2),
    ]


def test_a_folder_is_copied_by_pattern(tmp_path: Path) -> None:
    for name in ("a.html", "deep/b.html", "deep/c.css"):
        files.write_file(f"{tmp_path}/from/{name}", b"1")
    files.upload_folder(tmp_path / "from", f"{tmp_path}/to", "*.html")
    assert sorted(file.path for file in files.list_files(f"{tmp_path}/to")) == [
        "a.html",
        "deep/b.html",
    ]


def test_a_pattern_finds_files_from_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b.csv", "a.csv", "deep/c.csv"):
        files.write_file(f"{tmp_path}/{name}", b"1")
    monkeypatch.chdir(tmp_path)
    assert files.match_files("*.csv") == ["a.csv", "b.csv"]
    assert files.read_file("a.csv") == b"1"
    assert files.to_absolute("a.csv") == f"{tmp_path}/a.csv"
    assert files.to_absolute("s3://lake/a.csv") == "s3://lake/a.csv"


def test_people_are_led_to_where_a_browser_finds_reports(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = f"{settings().reports}/flights/v1.html"
    assert files.link_to(page) == f"file://{home}/reports/flights/v1.html"
    monkeypatch.setenv("MAINSPRING_REPORTS", "s3://bucket/reports")
    settings.cache_clear()
    assert files.link_to("s3://bucket/reports/flights/v1.html").startswith("s3://bucket/reports/fl")
    monkeypatch.setenv("MAINSPRING_REPORTS_URL", "https://reports.example.com/x/")
    settings.cache_clear()
    there = "https://reports.example.com/x/flights/v1.html"
    assert files.link_to("s3://bucket/reports/flights/v1.html") == there
    assert files.link_to("s3://other/it.html") == "s3://other/it.html"
