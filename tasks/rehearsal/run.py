"""Rehearsal: false alarms, power, rollbacks and delays of a policy, on histories of its own days.

Nothing is fitted. The champion's judged days are drawn in blocks, and the monitor's rules, the gate
and the bake window decide on them as they do in production.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from configs.clock import YEAR, write_duration
from configs.schema.use_case import UseCase
from tasks.evaluation.alarms.episode_openings import POWER
from tasks.evaluation.alarms.resampled_years import YEAR_DAYS
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.ledger.log import Entry
from tasks.models.registry import Model
from tasks.monitoring.limits.judged_rows import predict_rows
from tasks.monitoring.performance import find_longest_window
from tasks.rehearsal.daily_measures import build_daily_measures
from tasks.rehearsal.day_pool import DAY, HISTORY_START, DayPool
from tasks.rehearsal.faults import Fault, plant_input_faults, plant_loss
from tasks.rehearsal.match_workers import Report, Results, iterate_generators, start_matches
from tasks.rehearsal.played_gate import Match
from tasks.rehearsal.played_monitor import PlayedMonitor
from tasks.rehearsal.rates import MeasuredRate, measure_delays, measure_share, measure_yearly
from tasks.rehearsal.stated_delays import WindowDelay, compare_windows, find_stated_delay
from tasks.rehearsal.twins import TwinPair, choose_twin, find_loss_unit, worsen_predictions

RESAMPLES = 1000  # of each interval, fewer than the gate's own: a rehearsal computes thousands
EQUAL = "an equal model"


@dataclass(frozen=True)
class RehearsalPlan:
    """What is rehearsed: histories, gains of a challenger, and losses, in units of a margin.

    `jobs` is the number of processes for gate and bake window.
    """

    histories: int = 200
    jobs: int = 1
    gains: tuple[float, ...] = (0.01, 0.02, 0.03)
    losses: tuple[float, ...] = (0.05,)


@dataclass(frozen=True)
class Rehearsal:
    """Results of a rehearsal of one version; `twin` says what it was compared with."""

    use_case: str
    version: int
    start: datetime
    end: datetime
    rows: int
    days: int
    block_days: int
    twin: str
    histories: int
    alarms: tuple[MeasuredRate, ...]
    gate: tuple[MeasuredRate, ...]
    rollbacks: tuple[MeasuredRate, ...]
    detection: tuple[MeasuredRate, ...]
    windows: tuple[WindowDelay, ...] = ()


def rehearse_policy(
    pool: DayPool, earlier: Model | None, plan: RehearsalPlan, report: Report
) -> Rehearsal:
    """Rehearse the policy of a use case on histories of its champion's judged days.

    Args:
        pool: the days.
        earlier: the champion before, as the other twin; None for a made-up one.
        plan: what to rehearse.
        report: called with the name of a part and the number of histories that were played.
    """
    rows = pool.judged.rows
    other = None if earlier is None else predict_rows(pool.use_case, earlier, rows)
    twins = (pool.judged.predictions, choose_twin(pool, other))
    matches = [*_plan_gate(pool, twins, plan), *_plan_bake(pool, twins, plan)]
    days = replace(pool.compared, use_case=_with_fewer_resamples(pool.use_case))
    with start_matches(days, matches, plan.histories, plan.jobs, report) as played:
        alarms = tuple(_rehearse_alarms(pool, plan, report))
        detection = tuple(_rehearse_detection(pool, plan, report))
        results = list(zip(matches, played.wait(), strict=True))
    times = rows[pool.use_case.spine.time]
    return Rehearsal(
        use_case=pool.use_case.name,
        version=pool.judged.model.version,
        start=times[0],
        end=times[-1],
        rows=rows.height,
        days=pool.days,
        block_days=pool.compared.block,
        twin="a made-up twin" if earlier is None else f"version {earlier.version}",
        histories=plan.histories,
        alarms=alarms,
        gate=tuple(_measure_promotions(pool, results)),
        rollbacks=tuple(_measure_rollbacks(pool, results)),
        detection=detection,
        windows=tuple(compare_windows(pool, plan.losses[0])) if plan.losses else (),
    )


def _rehearse_alarms(pool: DayPool, plan: RehearsalPlan, report: Report) -> Iterator[MeasuredRate]:
    """Yield the episodes of each rule, and the retrainings, in years in which nothing changes."""
    use_case, measures = pool.use_case, build_daily_measures(pool)
    lead = _count_days(find_longest_window(use_case))
    ledgers = []
    for random in _iterate_histories(use_case, plan, report, "false alarms"):
        history = pool.compared.draw(random, lead + YEAR_DAYS)
        ledgers.append(_start_monitor(pool).play(measures.measure_windows(history, lead)))
    causes: dict[str, float | None] = {"drift": use_case.monitor.drift.false_alarms}
    for rule in use_case.monitor.performance:
        causes[f"performance:{rule.subject}"] = rule.false_alarms
    causes["contract:nulls"] = None
    for cause, stated in causes.items():
        counts = [_count_openings(entries, cause) for entries in ledgers]
        yield measure_yearly(f"episodes {cause}", counts, stated)
    alerts = [sum(e.what == "alert_raised" for e in entries) for entries in ledgers]
    yield measure_yearly("retrainings by alerts", alerts)


def _plan_gate(pool: DayPool, twins: TwinPair, plan: RehearsalPlan) -> Iterator[Match]:
    """Yield the matches of the gate: an equal challenger, and one with each gain."""
    metric, unit = pool.use_case.gate.metric, find_loss_unit(pool, "metric")
    yield Match(f"promoted: {EQUAL}", "gate", twins, twins)
    for gain in plan.gains:
        if (worse := _worsen_twins(pool, twins, gain * unit)) is not None:
            yield Match(f"promoted: {metric} better by {gain * unit:.3g}", "gate", twins, worse)


def _plan_bake(pool: DayPool, twins: TwinPair, plan: RehearsalPlan) -> Iterator[Match]:
    """Yield the matches of the bake window: an equal champion, and one with each loss."""
    metric, unit = pool.use_case.gate.metric, find_loss_unit(pool, "metric")
    if not pool.use_case.bake.window:
        return
    yield Match(f"rolled back: {EQUAL}", "bake", twins, twins)
    for loss in plan.losses:
        if (worse := _worsen_twins(pool, twins, loss * unit)) is not None:
            yield Match(f"rolled back: {metric} worse by {loss * unit:.3g}", "bake", worse, twins)


def _measure_promotions(
    pool: DayPool, results: Sequence[tuple[Match, Results]]
) -> Iterator[MeasuredRate]:
    gate = pool.use_case.gate
    stated = (1 - gate.confidence) / 2 if gate.rule == "superiority" else None
    for match, looks in results:
        if match.kind == "gate":
            is_equal = match.new is match.old
            hits = [look is not None for look in looks]
            yield measure_share(match.name, hits, stated if is_equal else None)


def _measure_rollbacks(
    pool: DayPool, results: Sequence[tuple[Match, Results]]
) -> Iterator[MeasuredRate]:
    stated = 1 - pool.use_case.gate.confidence
    for match, days in results:
        if match.kind == "bake":
            is_equal = match.new is match.old
            hits = [each is not None for each in days]
            rate = measure_share(match.name, hits, stated if is_equal else None)
            yield rate if is_equal else replace(rate, delays=measure_delays(days))


def _rehearse_detection(
    pool: DayPool, plan: RehearsalPlan, report: Report
) -> Iterator[MeasuredRate]:
    """Yield in how many histories each fault opens an episode, and after how many days."""
    use_case = pool.use_case
    lead = _count_days(find_longest_window(use_case))
    for fault in _plant_faults(pool, plan):
        stated = find_stated_delay(pool, fault)
        span = YEAR if stated is None else stated
        measures, later = build_daily_measures(pool, fault), _count_days(span)
        delays: list[float | None] = []
        for random in _iterate_histories(use_case, plan, report, fault.name):
            history = pool.compared.draw(random, lead + later)
            history[lead:] += pool.days
            first = lead + _count_days(use_case.monitor.step)
            windows = measures.measure_windows(history, first)
            opened = _start_monitor(pool).find_first_episode(windows)
            delays.append(None if opened is None else (opened - HISTORY_START) / DAY - lead)
        name = f"found within {write_duration(later * DAY)}: {fault.name}"
        rate = measure_share(
            name, [each is not None for each in delays], None if stated is None else POWER
        )
        yield replace(rate, delays=measure_delays(delays), is_least=True)


def _plant_faults(pool: DayPool, plan: RehearsalPlan) -> Iterator[Fault]:
    for loss in plan.losses:
        planted = (plant_loss(pool, kind, loss) for kind in ("metric", "calibration"))
        yield from (fault for fault in planted if fault is not None)
    yield from plant_input_faults(pool)


def _start_monitor(pool: DayPool) -> PlayedMonitor:
    return PlayedMonitor(pool.use_case, pool.judged.model.version)


def _iterate_histories(
    use_case: UseCase, plan: RehearsalPlan, report: Report, part: str
) -> Iterator[np.random.Generator]:
    """Yield a generator for each history, the same ones in every part."""
    for random in iterate_generators(use_case.seed, (0, plan.histories)):
        yield random
        report(part, 1)


def _count_openings(entries: Sequence[Entry], cause: str) -> int:
    opened = [read_evidence(e, EpisodeOpened).cause for e in entries if e.what == "episode_opened"]
    return sum(each == cause or each.startswith(f"{cause}:") for each in opened)


def _worsen_twins(pool: DayPool, twins: TwinPair, loss: float) -> TwinPair | None:
    one, other = (worsen_predictions(pool, each, loss) for each in twins)
    return None if one is None or other is None else (one, other)


def _with_fewer_resamples(use_case: UseCase) -> UseCase:
    gate = use_case.gate
    fewer = gate.model_copy(update={"resamples": min(gate.resamples, RESAMPLES)})
    return use_case.model_copy(update={"gate": fewer})


def _count_days(span: timedelta) -> int:
    return max(1, round(span / DAY))
