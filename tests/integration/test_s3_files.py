"""Files in a real S3 server: stored as they are, and seen when they are replaced."""

from __future__ import annotations

import pytest

from configs.settings import settings
from tasks.storage import files
from tasks.storage.folder_walk import walk_folder

pytestmark = pytest.mark.system  # seconds each; CI runs them with the system tests


def test_an_object_that_is_replaced_within_a_second_is_another_entry(bucket):
    folder = f"{settings().landing}/flights/t"
    entries = []
    for content in (b"a,1", b"b,2", b"b,2"):
        files.write_file(f"{folder}/a.csv", content)
        [entry] = walk_folder(folder)
        entries.append((entry.path, entry.size, entry.changed))
        listed = {(file.path, file.size, file.modified) for file in files.list_files(folder)}
        assert listed == {(entry.path, entry.size, entry.modified)}
    first, replaced, again = entries
    assert first[:2] == replaced[:2] == ("a.csv", 3)
    assert first[2] != replaced[2] == again[2]


@pytest.mark.parametrize("name", ["a.csv.gz", "a.zst", "a.bz2", "model.tar.gz", "a.lz4", "a b.csv"])
def test_a_file_is_stored_as_it_is_whatever_its_name(bucket, name):
    files.write_file(f"{settings().landing}/{name}", b"a,1\n")
    assert files.read_file(f"{settings().landing}/{name}") == b"a,1\n"
    assert files.read_end(f"{settings().landing}/{name}", 2) == b"1\n"
