"""Retrain cooldown: which retrainings and trainings still keep the next alert quiet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tasks.ledger.evidence import CandidateRegistered, read_evidence
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


def list_trainings_in_cooldown(
    entries: Sequence[Entry], at: datetime, cooldown: timedelta
) -> list[Entry]:
    """Return the retrainings, and the candidates of the train flow, whose cooldown covers a moment.

    The first candidate does not count: without it there is no champion to replace.

    Args:
        entries: the entries of one model.
        at: the moment.
        cooldown: length of the cooldown.
    """
    candidates = [e for e in entries if e.what == "candidate_registered"]
    scheduled = [
        e
        for e in candidates[1:]
        if read_evidence(e, CandidateRegistered).origin.startswith("train:")
        and e.at <= at < e.at + cooldown
    ]
    return [*list_retrains_in_cooldown(entries, at, cooldown), *scheduled]
