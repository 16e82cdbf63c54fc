"""Constructor of the entries of renewed limits."""

from __future__ import annotations

from datetime import datetime

from tasks.ledger.evidence import LimitsRenewed
from tasks.ledger.log import Entry


def make_limits_renewed(
    model: str, version: int, at: datetime, actor: str, evidence: LimitsRenewed
) -> Entry:
    """Return the entry of limits from more judged days: one a version and day."""
    key = f"limits:{version}:{at:%Y-%m-%d}"
    return Entry(model, "limits_renewed", key, at, actor, version, evidence.to_json())
