"""Retrain cooldown: which retrainings still keep the next alert quiet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tasks.ledger.log import Entry


def list_retrains_in_cooldown(
    entries: Sequence[Entry], at: datetime, cooldown: timedelta
) -> list[Entry]:
    """Return the retrainings, for any alert, whose cooldown covers a moment, oldest first.

    Args:
        entries: the entries of one model.
        at: the moment, which may be the start itself.
        cooldown: length of the cooldown after the start of a retraining.
    """
    return [e for e in entries if e.what == "retrain_started" and e.at <= at < e.at + cooldown]
