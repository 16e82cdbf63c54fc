"""Data quality rules of visits: one suite per table.

The bounds come from the sample, widened by its own range. Replace them with real limits where you
know what is impossible.
"""

from __future__ import annotations

from datetime import datetime

from great_expectations.expectations import Expectation

from expectations.rules import between, lands, there


def enrolments(as_of: datetime) -> list[Expectation]:
    """Return the rules of enrolments; its sample had 20190 rows."""
    return [
        *lands("begins", 210_000, as_of),
        there("site"),
        there("plan"),
        there("coinsurance"),
        between("coinsurance", 0, 200),
        between("deductible", 0, 2000),
        between("incentive", 0, 2600),
        there("income"),
        between("income", 0, 59000),
        there("age"),
        between("age", 0, 130),
        there("female"),
        between("female", 0, 2),
        between("education", 0, 50),
        there("family_size"),
        between("family_size", 0, 27),
        there("child"),
        between("child", 0, 2),
        there("chronic"),
        between("chronic", 0, 120),
        there("limited"),
        between("limited", 0, 2),
        there("mental_health"),
        between("mental_health", 0, 190),
        between("health_index", 0, 200),
        there("health"),
        between("visits", 0, 160),
    ]
