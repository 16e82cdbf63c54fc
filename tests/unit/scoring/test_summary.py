"""What a scoring run shows: rows by version, arm and decision, and the histogram."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from configs.schema.loading import load_use_case
from tasks.scoring.summary import render_scored
from tasks.storage.chunks import chunk_in_memory

SPAN = (datetime(2013, 4, 1, tzinfo=UTC), datetime(2013, 4, 8, tzinfo=UTC))


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_scored_rows_are_counted_and_drawn(count):
    probability = np.linspace(0, 1, count)
    frame = pl.DataFrame(
        {
            "probability": probability,
            "decision": probability > 0.5,
            "model_version": [1] * (count - count // 2) + [2] * (count // 2),
            "arm": [None] * (count - count // 2) + ["canary"] * (count // 2),
        },
        schema_overrides={"arm": pl.String},
    )
    parts = [{"predictions": chunk_in_memory(SPAN, frame)}, {}]
    line, text = render_scored(load_use_case("flights"), parts, 2.5)
    assert line.startswith(f"{count:,} rows in 2.5 s, ")
    assert line.endswith("% flagged")
    assert ("| 2 | canary | True |" in text) == (count > 1)
    assert "| 1 | champion |" in text
    assert "█" in text


def test_run_without_due_rows_says_so():
    assert render_scored(load_use_case("flights"), [], 0.1)[0] == "no row was due"
