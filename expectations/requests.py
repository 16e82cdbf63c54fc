"""Rules on logged requests and feedback of the prediction server."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

MOST_ROWS = 10_000_000


def requests(as_of: datetime) -> list[Expectation]:
    """Return the rules of the table `requests`."""
    from expectations.rules import lands, not_null

    names = ("arm", "model_version", "value", "decision")
    return [*lands("moment", MOST_ROWS, as_of), *map(not_null, names)]


def feedback(as_of: datetime) -> list[Expectation]:
    """Return the rules of the table `feedback`."""
    from expectations.rules import lands

    return lands("moment", MOST_ROWS, as_of)
