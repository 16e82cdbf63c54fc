"""Rollouts and bake windows: the state that the ledger's entries come to.

Only `plan_rollout` reads the YAML. From then on the entries have the shares, steps and the end of a
bake window, so batch scoring and a single request agree, and a past window does not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from configs.schema.promotion import Ab, Canary, Direct, Rollout
from configs.schema.use_case import UseCase
from tasks.ledger.descriptions import read_bake_end
from tasks.ledger.evidence import (
    RolloutGrown,
    RolloutPlan,
    RolloutStage,
    RolloutStarted,
    read_evidence,
)
from tasks.ledger.log import Entry
from tasks.ledger.projections import find_champion


@dataclass(frozen=True)
class RunningRollout:
    """A rollout: challenger, champion, and the running stage and its start.

    `rows` is the size at which an A/B test ends. A stage is reviewed when `step` has passed (an A/B
    test always), and fails without a verdict after `patience`.
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
    """The time after a promotion in which the version before scores too, for a rollback."""

    version: int
    previous: int
    since: datetime
    until: datetime


def plan_rollout(use_case: UseCase, champion: int | None) -> RolloutPlan | None:
    """Return the plan of a rollout against a champion; None if promotion is immediate."""
    plan = use_case.rollout
    if champion is None or isinstance(plan, Direct):
        return None
    shares = _list_shares(plan)
    step = timedelta(0) if isinstance(plan, Ab) else plan.step
    return RolloutPlan(
        kind=plan.kind,
        champion_version=champion,
        shares=list(shares),
        share=shares[0],
        stage=0,
        stages=len(shares),
        step_seconds=step.total_seconds(),
        patience_seconds=plan.patience.total_seconds(),
        unit=list(getattr(plan, "unit", ()) or use_case.spine.key),
        rows=plan.rows if isinstance(plan, Ab) else None,
    )


def next_rollout_stage(running: RunningRollout) -> RolloutStage | None:
    """Return the stage after the running one; None after the last one."""
    stage = running.stage + 1
    if stage == len(running.shares):
        return None
    return RolloutStage(stage=stage, share=running.shares[stage])


def find_rollout(entries: Sequence[Entry], at: datetime | None = None) -> RunningRollout | None:
    """Return the rollout that runs at a moment (now); None if none runs."""
    past = [e for e in entries if at is None or e.at <= at]
    started = next((e for e in reversed(past) if e.what == "rollout_started"), None)
    if started is None or started.version is None:
        return None
    own = [e for e in past[past.index(started) :] if e.version == started.version]
    if any(e.what in ("promoted", "refused") for e in own):
        return None
    plan, latest = read_evidence(started, RolloutStarted), _latest_stage(own)
    assert plan.champion_version is not None
    return RunningRollout(
        version=started.version,
        champion=plan.champion_version,
        kind=plan.kind,
        stage=_read_stage(latest),
        shares=tuple(plan.shares),
        unit=tuple(plan.unit),
        since=latest.at,
        step=timedelta(seconds=plan.step_seconds),
        patience=timedelta(seconds=plan.patience_seconds),
        rows=plan.rows,
    )


def _latest_stage(entries: Sequence[Entry]) -> Entry:
    return [e for e in entries if e.what in ("rollout_started", "rollout_grown")][-1]


def _read_stage(entry: Entry) -> int:
    if entry.what == "rollout_started":
        return read_evidence(entry, RolloutStarted).stage
    return read_evidence(entry, RolloutGrown).stage


def find_bake(entries: Sequence[Entry], at: datetime) -> BakeWindow | None:
    """Return the champion's bake window if `at` lies in it; None after a rollback."""
    promotion = find_champion(entries, at)
    if promotion is None or promotion.what != "promoted" or promotion.version is None:
        return None
    before, until = find_champion(entries[: entries.index(promotion)]), read_bake_end(promotion)
    if until is None or at >= until or before is None or before.version is None:
        return None
    if before.version == promotion.version:
        return None
    return BakeWindow(promotion.version, before.version, promotion.at, until)


def _list_shares(plan: Rollout) -> tuple[float, ...]:
    if isinstance(plan, Canary):
        return plan.shares
    return (plan.share,) if isinstance(plan, Ab) else (0.0,)
