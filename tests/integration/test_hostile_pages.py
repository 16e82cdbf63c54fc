"""Foreign text in every HTML page, in a real Chromium: no script runs, and no request leaves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from configs.schema.loading import load_use_case
from tasks.ingestion.validation import FILE_COLUMN, FileValidator
from tasks.monitoring.measurements import build_measurement_rows
from tasks.monitoring.report import ReportHeader, render_evidently
from tasks.reporting.html import render_html
from tasks.reporting.markdown import escape_markdown
from tests.support.browser import open_page, serve_witness

AS_OF = datetime(2013, 1, 3, tzinfo=UTC)
RAN = "scripts-of-foreign-text-ran"


def hostile_texts(server: str) -> list[str]:
    run = f"document.documentElement.className='{RAN}';new Image().src='{server}/script'"
    return [
        f"</script><script>{run}</script>",
        f"<!--<script>{run}</script>",
        f'</script></style></title><svg onload="{run}">',
        f'<img src={server}/image onerror="{run}">',
        f"![x]({server}/markdown)",
        f"<link rel=stylesheet href={server}/style>",
        f"<iframe src={server}/frame></iframe>",
        f"<style>@import url({server}/import)</style>",
        f"<a href='javascript:{run}'>x</a>",
        f"</head><base href={server}/base><meta http-equiv=refresh content='0;url={server}/meta'>",
        f"<video src={server}/video autoplay></video>",
    ]


def write_own_page(folder: Path, texts: list[str]) -> Path:
    """A page of a Markdown that does not even escape, and of one that does."""
    lines = [*texts, *map(escape_markdown, texts)]
    (folder / "own.html").write_text(render_html("\n\n".join(lines), texts[0]))
    return folder / "own.html"


def write_evidently(folder: Path, texts: list[str]) -> Path:
    flights, random = load_use_case("flights"), np.random.default_rng(0)
    inputs = {"numeric": ("distance",), "categorical": ("carrier",)}
    case = flights.model_copy(update={"features": flights.features.model_copy(update=inputs)})
    rows = pl.DataFrame(
        {
            "distance": random.normal(size=300),
            "carrier": random.choice(texts, 300),
            "score": random.random(300),
        }
    )
    measured = build_measurement_rows([], AS_OF, 1)
    header = ReportHeader(texts[0], texts[1], tuple(texts))
    (folder / "evidently.html").write_text(
        render_evidently(case, ["score"], rows, rows, measured, header)
    )
    return folder / "evidently.html"


def write_docs(texts: list[str]) -> Path:
    case = load_use_case("flights")
    table, count = case.tables["planes"], 2 * len(texts)
    columns = {name: pl.Series([None] * count) for name in table.columns}
    rows = pl.DataFrame(columns).with_columns(
        pl.Series("tailnum", [*texts, *texts]),
        pl.lit(AS_OF).alias("published"),
        pl.lit(texts[0]).alias(FILE_COLUMN),
    )
    validator = FileValidator(case, AS_OF, "run")
    assert validator.find_row_errors("planes", rows).height == count
    validator.find_refusal("planes", rows.clear(), f"planes/{texts[1]}.csv")
    index = Path(validator.write_docs())
    return next(index.parent.glob("validations/planes/run/**/landing-planes.html"))


def test_own_pages_run_no_foreign_script(home: Path, tmp_path: Path) -> None:
    with serve_witness() as (server, asked):
        dom = open_page(write_own_page(tmp_path, hostile_texts(server)), tmp_path / "chromium")
    assert RAN not in dom[: dom.index("<head")]
    assert asked == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["evidently", "docs"])
def test_pages_of_libraries_run_no_foreign_script(home: Path, tmp_path: Path, kind: str) -> None:
    with serve_witness() as (server, asked):
        texts = hostile_texts(server)
        page = write_docs(texts) if kind == "docs" else write_evidently(tmp_path, texts)
        dom = open_page(page, tmp_path / "chromium")
    assert RAN not in dom[: dom.index("<head")]
    assert asked == []
    assert ("Dataset Drift" if kind == "evidently" else "tailnum") in dom
