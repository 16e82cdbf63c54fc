"""Data quality rules of visits: one suite per table.

The bounds come from the sample, widened by its own range. Replace them with real limits where you
know what is impossible.
"""

from __future__ import annotations

from datetime import datetime

from great_expectations.expectations import Expectation

from expectations.rules import between, lands, not_null


def enrolments(as_of: datetime) -> list[Expectation]:
    """Return the rules of enrolments; its sample had 20190 rows."""
    return [
        *lands("begins", 210_000, as_of),
        not_null("site"),
        not_null("plan"),
        not_null("coinsurance"),
        between("coinsurance", 0, 200),
        between("deductible", 0, 2000),
        between("incentive", 0, 2600),
        not_null("income"),
        between("income", 0, 59000),
        not_null("age"),
        between("age", 0, 130),
        not_null("female"),
        between("female", 0, 2),
        between("education", 0, 50),
        not_null("family_size"),
        between("family_size", 0, 27),
        not_null("child"),
        between("child", 0, 2),
        not_null("chronic"),
        between("chronic", 0, 120),
        not_null("limited"),
        between("limited", 0, 2),
        not_null("mental_health"),
        between("mental_health", 0, 190),
        between("health_index", 0, 200),
        not_null("health"),
        between("visits", 0, 160),
    ]
