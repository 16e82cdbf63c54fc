"""Files that abort, fill the memory or hang end their own child alone."""

import gzip
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from configs.errors import RefusedBatch
from configs.schema.data import Table
from tasks.ingestion.parsing import parse_in_child as module
from tasks.ingestion.parsing.parse_in_child import parse_in_child
from tests.support.state import forget

TABLE = Table.model_validate(
    {
        "files": "*",
        "columns": {"id": "text", "n": "integer", "at": "time"},
        "keys": ["id"],
        "known_from": datetime(2024, 1, 1, tzinfo=UTC),
        "suite": "any",
    }
)


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    yield
    forget()


ROWS = pl.DataFrame(
    {"id": ["a", "b"], "n": [1, None], "at": [datetime(2024, 3, 1, tzinfo=UTC)] * 2}
)
CSV = b"id,n,at\na,1,2024-03-01\nb,,2024-03-01T00:00:00Z\n"
JSON_LINES = b"""{"id": "a", "n": 1, "at": "2024-03-01", "more": [1, {"x": null}]}

{"at": "2024-03-01T00:00:00Z", "id": "b"}
"""


def whole_parquet() -> bytes:
    out = BytesIO()
    ROWS.write_parquet(out)
    return out.getvalue()


def parse(folder: Path, name: str, content: bytes) -> pl.DataFrame:
    path = folder / "content"
    path.write_bytes(content)
    parsed = parse_in_child(path, name, TABLE)
    if parsed.rows is None:
        raise RefusedBatch(parsed.refused)
    return parsed.rows


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV), ("A.CSV", CSV), ("a.tsv", CSV.replace(b",", b"\t")),
        ("a.csv.gz", gzip.compress(CSV, mtime=0)),
        ("a.CSV.ZST", pa.compress(CSV, "zstd", asbytes=True)),
        ("a.jsonl", JSON_LINES), ("A.NDJSON", JSON_LINES),
        ("a.jsonl.gz", gzip.compress(JSON_LINES, mtime=0)),
        ("a.parquet", whole_parquet()), ("A.PARQUET", whole_parquet()),
    ],
)  # fmt: skip
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str, content: bytes) -> None:
    assert parse(tmp_path, name, content).equals(ROWS.cast({"at": pl.Datetime("us", "UTC")}))


@pytest.mark.parametrize("cut", [1, 9, len(gzip.compress(CSV, mtime=0)) // 2])
def test_a_compressed_file_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    with pytest.raises(RefusedBatch, match=r"a.csv.gz: not readable as gzip"):
        parse(tmp_path, "a.csv.gz", gzip.compress(CSV, mtime=0)[:-cut])


def test_a_file_that_fills_the_memory_is_refused_and_the_next_one_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAINSPRING_FILE_MEMORY_MB", "64")
    forget()
    with pytest.raises(RefusedBatch, match=r"bomb.csv.gz: it needs more memory than 64 MB"):
        parse(tmp_path, "bomb.csv.gz", gzip.compress(bytes(2**27), 1))
    zeros = pa.DictionaryArray.from_arrays(np.zeros(2**24, np.int8), ["a"])
    out = BytesIO()
    parquet.write_table(pa.table(dict.fromkeys(TABLE.columns, zeros)), out)
    with pytest.raises(RefusedBatch, match=r"^bomb.parquet: "):
        parse(tmp_path, "bomb.parquet", out.getvalue())
    assert parse(tmp_path, "a.csv", CSV).height == 2


def test_a_child_that_hangs_or_aborts_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAINSPRING_FILE_SECONDS", "1")
    forget()
    pipe = tmp_path / "content"
    os.mkfifo(pipe)  # opening it never returns
    assert "a.csv: it was not read in 1 s" in parse_in_child(pipe, "a.csv", TABLE).refused
    assert "ended with -6" in module._explain_exit(-6)


def test_damaged_parquet_is_refused_or_read_and_ends_nothing(tmp_path: Path) -> None:
    draw, whole = random.Random(7), whole_parquet()
    outcomes = {"read": 0, "refused": 0}
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(2):
            damaged[draw.randrange(4, len(whole) - 4)] ^= 1 << draw.randrange(8)
        try:
            parse(tmp_path, "a.parquet", bytes(damaged))
            outcomes["read"] += 1
        except RefusedBatch as error:
            assert str(error).startswith("a.parquet: ")  # noqa: PT017
            outcomes["refused"] += 1
    assert outcomes["refused"] > 20
