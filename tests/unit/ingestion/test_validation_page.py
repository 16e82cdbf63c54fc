"""Validation page: rules, rows, examples and trend of an ingest, with foreign text as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from configs.schema.use_case import UseCase
from tasks.ingestion.landing import FileVerdict, LandedFile
from tasks.ingestion.validation import FileValidator
from tasks.ingestion.validation_page import write_validation_page
from tests.support.hostile_texts import HOSTILE_TEXTS

AS_OF = datetime(2013, 1, 3, tzinfo=UTC)


def rows_of_planes(case: UseCase, names: list[str], year: int = 2000) -> pl.DataFrame:
    columns = dict.fromkeys(case.tables["planes"].columns, None)
    rows = pl.DataFrame({name: pl.Series([None] * len(names)) for name in columns})
    return rows.with_columns(
        pl.Series("tailnum", names), pl.lit(AS_OF - timedelta(days=1)).alias("published"),
        pl.lit("batch").alias("_file"),
    )  # fmt: skip


def accepted_file(path: str, status: str = "accepted", **counts: int) -> FileVerdict:
    return FileVerdict(LandedFile("planes", "f", path, 1, 1.0), status, **counts)


def write_page_of(case: UseCase, names: list[str], path: str = "planes/a.csv") -> str:
    validator = FileValidator(case, AS_OF, "run")
    rows = rows_of_planes(case, names)
    validator.find_refusal("planes", rows.clear(), path)
    broken = validator.find_row_errors("planes", rows)
    bad = rows.with_columns(_reasons=pl.lit([names[0]])).head(broken.height)
    address = write_validation_page(
        case, "run", AS_OF, [accepted_file(path, rows=2, accepted=1, quarantined=1)],
        validator.rule_results, {"planes": {"batch": bad}, "weather": {}}, "docs",
    )  # fmt: skip
    return Path(address).read_text()


def test_the_page_names_rules_counts_and_examples(flights: UseCase) -> None:
    page = write_page_of(flights, ["N1", "N1"])
    assert "Validation of 2013-01-03" in page
    assert "1 files ingested (1 rows, 1 more in quarantine" in page
    assert "row_count_to_be_between" in page
    assert "1 of 1 files" in page
    assert "of 2 rows" in page
    assert '<svg class="spark"' in page
    assert "../data_docs/run/index.html" in page
    assert "script-src 'none'" in page


@pytest.mark.parametrize("text", [*HOSTILE_TEXTS[:12], "</table><script>x</script>", "{{ 1 }}"])
def test_foreign_text_on_the_page_is_text(flights: UseCase, text: str) -> None:
    page = write_page_of(flights, [text, text], f"planes/{text}.csv")
    plain = write_page_of(flights, ["plain", "plain"], "planes/plain.csv")
    assert page.count("<script") == 0
    assert page.count("<td") == plain.count("<td")
    assert page.count("<table") == plain.count("<table")
