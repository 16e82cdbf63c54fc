"""Data quality rules of visits: one suite per table.

The bounds are ten times the largest value of the sample, or those of a calendar or a flag. A row
beyond them goes to quarantine. Replace them with real limits where you know what is impossible.
"""

from __future__ import annotations

from datetime import datetime

from great_expectations.expectations import Expectation

from expectations.rules import between, lands


def enrolments(as_of: datetime) -> list[Expectation]:
    """Return the rules of enrolments; its sample had 20190 rows."""
    return [
        *lands("begins", 1_000_000, as_of),
        between("coinsurance", 0, 1000),
        between("deductible", -10000, 10000),
        between("incentive", -13000, 13000),
        between("income", -300000, 300000),
        between("age", -650, 650),
        between("female", 0, 1),
        between("education", -250, 250),
        between("family_size", 0, 140),
        between("child", 0, 1),
        between("chronic", -590, 590),
        between("limited", -10, 10),
        between("mental_health", -1000, 1000),
        between("health_index", -1000, 1000),
        between("visits", 0, 770),
    ]
