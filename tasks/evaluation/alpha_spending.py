"""Repeated looks of gate and bake window, and the share of the error rate that each may spend.

A spending function by calendar time after K. K. G. Lan and D. L. DeMets, "Discrete Sequential
Boundaries for Clinical Trials", Biometrika 70(3), 1983: the first look may spend half of the error
rate, and each later one an equal part of the rest. The shares add up to 1, so by Bonferroni all
looks together miss at most as often as one look does, however alike their rows are.

A bake window is looked at whenever the monitor runs. Up to a moment it may spend the square root of
the elapsed share of the window: half of the rate in the first quarter, since a bad champion costs
from its first day. Any number of looks adds up to the whole rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_SHARE = 0.5


@dataclass(frozen=True)
class GateLook:
    """One look: its number of the `planned` ones, and its share of the error rate.

    `following` is the time from which the next look is due; None of the last one.
    """

    number: int
    planned: int
    share: float
    following: datetime | None

    @property
    def final(self) -> bool:
        """Whether no look follows."""
        return self.following is None


ONLY_LOOK = GateLook(1, 1, 1.0, None)


def plan_gate_look(
    planned: int, patience: timedelta, since: datetime, at: datetime, last: int
) -> GateLook | None:
    """Return the look that is due at a moment; None before the next one is due.

    The first look is due at once, the last at the end of the patience, the others evenly between.
    A look that comes late is the latest that is due, and spends the shares of those it replaces.

    Args:
        planned: number of looks
        patience: time from the first look to the last
        since: time from which the first look is due
        at: moment
        last: number of the last look that was taken; 0 before the first
    """
    pause = patience / (planned - 1) if planned > 1 else timedelta(0)
    passed = planned if at - since >= patience or not pause else 1 + (at - since) // pause
    number = max(min(passed, planned), 1)
    if number <= last:
        return None
    share = spent_share(number, planned) - spent_share(last, planned)
    following = None if number == planned else since + number * pause
    return GateLook(number, planned, share, following)


def next_look_time(
    planned: int, patience: timedelta, since: datetime, last: int
) -> datetime | None:
    """Return the time from which the look after the last one is due; None if none follows."""
    if last >= planned:
        return None
    return since + last * (patience / (planned - 1)) if planned > 1 else since


def spent_share(number: int, planned: int) -> float:
    """Return the share of the error rate that all looks up to a number may spend, 0 to 1."""
    if number <= 0:
        return 0.0
    if number >= planned:
        return 1.0
    return FIRST_SHARE + (1 - FIRST_SHARE) * (number - 1) / (planned - 1)


def spend_elapsed_time(since: datetime, last: datetime, at: datetime, until: datetime) -> float:
    """Return the share of the error rate that a look may spend, by the time since the last one.

    Args:
        since: start of the window
        last: time of the last look; `since` before the first
        at: time of the look
        until: end of the window
    """
    length = until - since
    spent, spendable = (max(last, since) - since) / length, (min(at, until) - since) / length
    return math.sqrt(spendable) - math.sqrt(spent)
