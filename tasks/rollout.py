"""Roll-outs: which version answers which entity at which time, as folds over the ledger.

Only `begin` looks at the YAML. From then on shares, steps and the end of a bake window are what the
entries say, so batch scoring and a single request agree, and a past window stays what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from configs.clock import moment
from configs.policy import Ab, Canary, Direct, Rollout
from configs.use_case import UseCase
from tasks.ledger import Entry, champion


@dataclass(frozen=True)
class Rolling:
    """The version that rolls out, against which champion, and at which stage since when.

    `rows` is the size at which an A/B test ends. A stage is looked at when `step` has passed (an
    A/B test always), and ends without a verdict after `patience`.
    """

    version: int
    champion: int
    kind: str
    stage: int
    shares: tuple[float, ...]
    unit: tuple[str, ...]
    since: datetime
    step: timedelta
    patience: timedelta
    rows: int | None

    @property
    def share(self) -> float:
        """The share of the entities that get the challenger's decisions."""
        return self.shares[self.stage]


@dataclass(frozen=True)
class Baking:
    """A promotion that may still be undone by itself: until then the last champion answers too."""

    version: int
    previous: int
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Cast:
    """A span [start, end) of prediction times in which the same versions answer.

    Without a roll-out there is no challenger and its share is 0; without a bake no previous one.
    """

    start: datetime
    end: datetime
    champion: int
    challenger: int | None = None
    share: float = 0.0
    unit: tuple[str, ...] = ()
    previous: int | None = None


def begin(use_case: UseCase, champion: int | None) -> dict[str, Any] | None:
    """The evidence of `rollout_started` against that champion; None: promoted at once."""
    plan = use_case.rollout
    if champion is None or isinstance(plan, Direct):
        return None
    shares = _shares(plan)
    step = timedelta(0) if isinstance(plan, Ab) else plan.step
    return {
        "kind": plan.kind,
        "champion_version": champion,
        "shares": list(shares),
        "share": shares[0],
        "stage": 0,
        "stages": len(shares),
        "step_seconds": step.total_seconds(),
        "patience_seconds": plan.patience.total_seconds(),
        "unit": list(getattr(plan, "unit", ()) or use_case.spine.key),
        "rows": plan.rows if isinstance(plan, Ab) else None,
    }


def next_stage(rolling: Rolling) -> dict[str, Any] | None:
    """What `rollout_grown` says after a passed stage; None: it was the last, promote."""
    stage = rolling.stage + 1
    if stage == len(rolling.shares):
        return None
    return {"stage": stage, "share": rolling.shares[stage]}


def rolling(entries: Sequence[Entry], at: datetime | None = None) -> Rolling | None:
    """What rolls out at a moment (now); None if nothing does."""
    known = [e for e in entries if at is None or e.at <= at]
    started = next((e for e in reversed(known) if e.what == "rollout_started"), None)
    if started is None or started.version is None:
        return None
    its = [e for e in known[known.index(started) :] if e.version == started.version]
    if any(e.what in ("promoted", "refused") for e in its):
        return None
    latest = [e for e in its if e.what in ("rollout_started", "rollout_grown")][-1]
    said = started.evidence
    return Rolling(
        version=started.version,
        champion=said["champion_version"],
        kind=said["kind"],
        stage=latest.evidence["stage"],
        shares=tuple(said["shares"]),
        unit=tuple(said["unit"]),
        since=latest.at,
        step=timedelta(seconds=said["step_seconds"]),
        patience=timedelta(seconds=said["patience_seconds"]),
        rows=said["rows"],
    )


def baking(entries: Sequence[Entry], at: datetime) -> Baking | None:
    """The champion's bake window if `at` lies in it; None after a rollback or without one."""
    promotion = champion(entries, at)
    if promotion is None or promotion.what != "promoted" or promotion.version is None:
        return None
    before, until = champion(entries[: entries.index(promotion)]), _bake_until(promotion)
    if until is None or at >= until or before is None or before.version is None:
        return None
    if before.version == promotion.version:
        return None
    return Baking(promotion.version, before.version, promotion.at, until)


def casts(entries: Sequence[Entry], start: datetime, end: datetime) -> list[Cast]:
    """Who answers when, inside [start, end): spans in order, without what has no champion."""
    turns = {e.at for e in entries} | {until for e in entries if (until := _bake_until(e))}
    edges = sorted({start, end, *(turn for turn in turns if start < turn < end)})
    found: list[Cast] = []
    for since, until in pairwise(edges):
        cast = _cast(entries, since, until)
        if cast and found and replace(found[-1], start=since, end=until) == cast:
            found[-1] = replace(found[-1], end=until)
        elif cast:
            found.append(cast)
    return found


def _shares(plan: Rollout) -> tuple[float, ...]:
    if isinstance(plan, Canary):
        return plan.shares
    return (plan.share,) if isinstance(plan, Ab) else (0.0,)


def _cast(entries: Sequence[Entry], start: datetime, end: datetime) -> Cast | None:
    """The cast of `start`, for a span in which it does not change."""
    reigning = champion(entries, start)
    if reigning is None or reigning.version is None:
        return None
    rolls, bakes = rolling(entries, start), baking(entries, start)
    cast = Cast(start, end, reigning.version, previous=bakes.previous if bakes else None)
    if rolls is None or rolls.version == reigning.version:
        return cast
    return replace(cast, challenger=rolls.version, share=rolls.share, unit=rolls.unit)


def _bake_until(entry: Entry) -> datetime | None:
    """Entries from before there were bake windows have none."""
    until = entry.evidence.get("bake_until") if entry.what == "promoted" else None
    return None if until is None else moment(datetime.fromisoformat(until))
