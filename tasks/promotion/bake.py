"""The bake window of a promotion: is the new champion shown to be worse than the one before?

Both answer every row while it lasts, so they are compared on the same rows, and only on those whose
labels are mature. A loss that is shown opens an episode (monitoring/episodes.py); the open episode
asks for the rollback.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final

import polars as pl

from configs.schema.use_case import UseCase
from infra.fault_injection import effect
from tasks.evaluation.bootstrap import CALIBRATION, Difference
from tasks.evaluation.metrics import LOWER_IS_BETTER
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.projections import find_champion, list_open_episodes, list_unanswered
from tasks.monitoring.measurements import Measurement, measurement_rows
from tasks.promotion.gate import Decision, judge_harm
from tasks.promotion.gate_checks import is_shown_worse
from tasks.promotion.paired_rows import both_predictions, find_paired_rows
from tasks.rollout.state import BakeWindow, find_bake

BAKE_KIND: Final = "bake"
_JUST = timedelta(microseconds=1)  # the last look is at the very end of the window


@dataclass(frozen=True)
class BakeEvaluation:
    """What a bake window has shown so far, on which share of its rows."""

    window: BakeWindow
    decision: Decision
    coverage: float


def evaluate_bake(
    use_case: UseCase, entries: Sequence[Entry], as_of: datetime
) -> BakeEvaluation | None:
    """Compare the champion with the one before on what is mature at `as_of`; None if none bakes.

    The decision fails where the champion is shown to be worse by the margins of `bake`; all looks
    at one window share one error rate.
    """
    window = find_bake([e for e in entries if e.at < as_of], as_of - _JUST)
    if window is None:
        return None
    pair, ends = (window.version, window.previous), _ends(window.since, as_of, use_case)
    known = find_paired_rows(use_case, pair, window.since, as_of, ends)
    rows = known.rows if known.enough else known.rows.clear()
    looks = ceil((window.until - window.since) / use_case.monitor.window)
    bake = use_case.bake
    found = judge_harm(
        use_case, rows, *both_predictions(use_case, rows), bake, bake.min_rows, max(looks, 1)
    )
    return BakeEvaluation(window, found, known.coverage)


def bake_measurements(
    use_case: UseCase, baked: BakeEvaluation, as_of: datetime
) -> list[Measurement]:
    """What was compared, one number each: of the champion, with the one before as reference, and
    the loss that is borne as threshold. None as long as too little is known.
    """
    shown = baked.decision.evidence.get("differences", {}).values()
    return [
        _number(use_case, baked, Difference(**each), as_of)
        for each in shown
        if each["subject"] != CALIBRATION
    ]


def add_bake_measurements(
    use_case: UseCase, rows: pl.DataFrame, baked: BakeEvaluation | None, as_of: datetime
) -> pl.DataFrame:
    """The rows of the monitoring table, with those of the bake."""
    if baked is None:
        return rows
    of_bake = measurement_rows(
        bake_measurements(use_case, baked, as_of), as_of, baked.window.version
    )
    return pl.concat([rows, of_bake])


def rollback_request(
    entries: Sequence[Entry], baked: BakeEvaluation | None, as_of: datetime
) -> Entry | None:
    """The ask to undo the champion's promotion, if an episode of its bake is open; else None."""
    reigning = find_champion(entries)
    if reigning is None or reigning.what != "promoted":
        return None
    bad = [
        e
        for e in list_open_episodes(entries)
        if e.evidence["kind"] == BAKE_KIND
        and e.seq > reigning.seq
        and e.version == reigning.version
    ]
    if not bad:
        return None
    shown = {} if baked is None or baked.decision.verdict != "fail" else _shown(baked.decision)
    said = {"promotion": reigning.key, "episode": bad[0].key, "reason": bad[0].evidence["message"]}
    key = f"undo:{reigning.seq}"
    return Entry(
        reigning.model, "rollback_asked", key, as_of, "monitor", reigning.version, {**said, **shown}
    )


def _shown(decision: Decision) -> dict[str, Any]:
    """What a rollback keeps of its evidence: `to` says from when on rows are news."""
    kept = ("gates", "differences", "rows", "from", "to")
    return {"reason": decision.reason, **{name: decision.evidence[name] for name in kept}}


def _ends(since: datetime, as_of: datetime, use_case: UseCase) -> Iterator[datetime]:
    """`as_of`, then less and less by whole monitor windows."""
    end = as_of
    while end > since:
        yield end
        end -= use_case.monitor.window


def _number(
    use_case: UseCase, baked: BakeEvaluation, found: Difference, as_of: datetime
) -> Measurement:
    bake, metric = use_case.bake, found.subject
    if metric == "cost":
        margin = bake.cost_margin * abs(found.champion)
    else:
        margin = found.unit * (bake.slice_margin if found.is_slice else bake.margin)
    metric = use_case.gate.metric if found.is_slice else metric
    sign = 1 if metric in LOWER_IS_BETTER else -1
    return Measurement(
        BAKE_KIND, found.subject, baked.window.since, as_of,
        value=found.challenger, reference=found.champion, threshold=found.champion + sign * margin,
        coverage=baked.coverage, rows=found.rows,
        verdict="page" if is_shown_worse(found, margin) else "ok",
    )  # fmt: skip


def record_rollback_request(
    book: Ledger, model: str, baked: BakeEvaluation | None, as_of: datetime
) -> tuple[Entry | None, list[Entry]]:
    """Record the ask for a rollback, if there is one to ask for; it, and all that are unanswered.

    Conflict if the ledger moved on: the champion may be another one by now.
    """
    entries = book.entries(model)
    wanted = rollback_request(entries, baked, as_of)
    if wanted is not None:
        with effect("ask for the rollback"):
            wanted, _ = book.record(wanted, expected_seq=len(entries))
    waiting = list_unanswered(book.entries(model))
    return wanted, [e for e in waiting if e.what == "rollback_asked"]
