"""Roll-outs: which version answers which entity at which time, as folds over the ledger.

Only `begin` looks at the YAML. From then on shares, steps and the end of a bake window are what the
entries say, so batch scoring and a single request agree, and a past window stays what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from configs.clock import utc_or_now
from configs.schema.promotion import Ab, Canary, Direct, Rollout
from configs.schema.use_case import UseCase
from tasks.ledger.log import Entry
from tasks.ledger.projections import find_champion


@dataclass(frozen=True)
class RunningRollout:
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
class BakeWindow:
    """A promotion that may still be undone by itself: until then the last champion answers too."""

    version: int
    previous: int
    since: datetime
    until: datetime


def plan_rollout(use_case: UseCase, champion: int | None) -> dict[str, Any] | None:
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


def next_rollout_stage(rolling: RunningRollout) -> dict[str, Any] | None:
    """What `rollout_grown` says after a passed stage; None: it was the last, promote."""
    stage = rolling.stage + 1
    if stage == len(rolling.shares):
        return None
    return {"stage": stage, "share": rolling.shares[stage]}


def find_rollout(entries: Sequence[Entry], at: datetime | None = None) -> RunningRollout | None:
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
    return RunningRollout(
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


def find_bake(entries: Sequence[Entry], at: datetime) -> BakeWindow | None:
    """The champion's bake window if `at` lies in it; None after a rollback or without one."""
    promotion = find_champion(entries, at)
    if promotion is None or promotion.what != "promoted" or promotion.version is None:
        return None
    before, until = find_champion(entries[: entries.index(promotion)]), read_bake_end(promotion)
    if until is None or at >= until or before is None or before.version is None:
        return None
    if before.version == promotion.version:
        return None
    return BakeWindow(promotion.version, before.version, promotion.at, until)


def _shares(plan: Rollout) -> tuple[float, ...]:
    if isinstance(plan, Canary):
        return plan.shares
    return (plan.share,) if isinstance(plan, Ab) else (0.0,)


def read_bake_end(entry: Entry) -> datetime | None:
    """Entries from before there were bake windows have none."""
    until = entry.evidence.get("bake_until") if entry.what == "promoted" else None
    return None if until is None else utc_or_now(datetime.fromisoformat(until))
