"""Why a logged feature differs from the one that the lake knew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tasks.monitoring.online.skew import compare_view

AT, HOUR = datetime(2024, 4, 10, tzinfo=UTC), timedelta(hours=1)
TIME = pl.Datetime("us", "UTC")


def find_reason(logged: Any, joined: Any, online: Any, known: Any, *, stale: bool) -> list[str]:
    kind = pl.String if isinstance(logged or joined, str) else pl.Float64
    skew = compare_view(
        "weather",
        {"feature": ([logged], pl.Series([joined], dtype=kind))},
        pl.Series([stale]),
        pl.Series([online], dtype=TIME),
        pl.Series([known], dtype=TIME),
    )
    assert skew.compared == 1
    return [reason for reason, count in skew.differing.items() if count]


@pytest.mark.parametrize(
    ("logged", "joined", "online", "known", "stale", "reasons"),
    [
        (1.0, 1.0, AT, AT, False, []),
        (None, None, None, None, False, []),
        (1.0, 1.0 + 1e-9, AT, AT + HOUR, False, []),
        (1e9, 1e9 + 100, AT, AT, False, []),
        (True, 1.0, AT, AT, False, []),
        ("a", "a", AT, AT, False, []),
        (1.0, 2.0, AT, AT + HOUR, False, ["not_published"]),
        (None, 2.0, None, AT, False, ["not_published"]),
        (1.0, 2.0, AT, AT, False, ["corrected"]),
        (1.0, None, AT, AT, False, ["corrected"]),
        ("a", "b", AT, AT, False, ["corrected"]),
        (None, 2.0, AT, AT, True, ["stale"]),
        (1.0, 2.0, None, AT, False, ["other"]),
        (1.0, None, None, None, False, ["other"]),
        (1.0, 2.0, AT + HOUR, AT, False, ["other"]),
    ],
)
def test_a_difference_has_its_reason(logged, joined, online, known, stale, reasons):
    assert find_reason(logged, joined, online, known, stale=stale) == reasons
