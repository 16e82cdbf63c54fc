"""Bake window: the new champion compared with the one before, and the request to roll it back.

Both versions score every row of the window, so they are compared on the same rows, and only on rows
with mature labels. A loss that is shown opens an episode (monitoring/episodes.py). The open episode
asks for the rollback.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from configs.schema.use_case import UseCase
from infra.fault_injection import effect
from tasks.evaluation.alpha_spending import spend_elapsed_time
from tasks.evaluation.bootstrap import CALIBRATION, Difference, Predictions
from tasks.evaluation.metrics import LOWER_IS_BETTER
from tasks.ledger.causes import BAKE_KIND
from tasks.ledger.entries import make_rollback_asked
from tasks.ledger.evidence import (
    EpisodeOpened,
    GateEvidence,
    Promoted,
    StepEvidence,
    read_evidence,
)
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.state import LedgerState, read_ledger_state
from tasks.monitoring.episodes import MONITOR_ACTOR
from tasks.monitoring.measurements import (
    Measurement,
    build_measurement_rows,
    read_measurements,
)
from tasks.promotion.gate import Decision, judge_harm
from tasks.promotion.gate_checks import describe_loss, is_shown_worse
from tasks.promotion.paired_rows import both_predictions, find_paired_rows
from tasks.rollout.state import BakeWindow, find_bake
from tasks.storage.lake import open_lake

_SUBJECTS = 3  # metric, cost and slices share the error rate
_INSTANT = timedelta(microseconds=1)  # the last evaluation is at the very end of the window


@dataclass(frozen=True)
class BakeEvaluation:
    """What a bake window shows so far, and the share of its rows that it uses."""

    window: BakeWindow
    decision: Decision
    coverage: float


def evaluate_bake(use_case: UseCase, ledger: LedgerState, as_of: datetime) -> BakeEvaluation | None:
    """Compare the champion with the one before on the mature rows; None outside a bake window.

    The decision fails if the champion is shown to be worse by the margins of `bake`. All
    evaluations of one window share one error rate, by the time since the last one.
    """
    window = find_bake([e for e in ledger.entries if e.at < as_of], as_of - _INSTANT)
    if window is None:
        return None
    pair, ends = (window.version, window.previous), _list_ends(window.since, as_of, use_case)
    paired = find_paired_rows(use_case, pair, window.since, as_of, ends)
    rows = paired.rows if paired.enough else paired.rows.clear()
    share = _find_share(use_case, window, as_of)
    decision = judge_bake(use_case, rows, both_predictions(use_case, rows), share)
    return BakeEvaluation(window, decision, paired.coverage)


def judge_bake(
    use_case: UseCase,
    rows: pl.DataFrame,
    models: tuple[Predictions, Predictions],
    share: float,
    *,
    explain: bool = True,
) -> Decision:
    """Return whether the champion is shown to be worse than the version before.

    With a share of 1, an equal champion fails at most with the chance 1 - gate.confidence: in its
    metric, its cost or any slice.

    Args:
        use_case: margins and slices.
        rows: mature rows of the bake window so far.
        models: predictions of the champion and of the version before.
        share: of the error rate of the whole bake window, which this evaluation may spend.
        explain: whether to name a block that decides the verdict.
    """
    bake = use_case.bake
    # an interval misses on both sides, and only one of them is a loss
    of_subject = 2 * share / _SUBJECTS
    return judge_harm(use_case, rows, *models, bake, bake.min_rows, of_subject, explain=explain)


def bake_measurements(
    use_case: UseCase, baked: BakeEvaluation, as_of: datetime
) -> list[Measurement]:
    """Return a measurement for each subject that was compared; none with too few rows.

    The value is the champion's, the reference that of the version before, and the threshold the
    loss that is tolerated.
    """
    differences = baked.decision.evidence.differences.values()
    return [
        _measure_difference(use_case, baked, each, as_of)
        for each in differences
        if each.subject != CALIBRATION
    ]


def add_bake_measurements(
    use_case: UseCase, rows: pl.DataFrame, baked: BakeEvaluation | None, as_of: datetime
) -> pl.DataFrame:
    """Append the measurements of the bake window to rows of the monitoring table."""
    if baked is None:
        return rows
    added = build_measurement_rows(
        bake_measurements(use_case, baked, as_of), as_of, baked.window.version
    )
    return pl.concat([rows, added])


def rollback_request(
    ledger: LedgerState, baked: BakeEvaluation | None, as_of: datetime
) -> Entry | None:
    """Return the request to undo the champion's promotion; None without an open bake episode.

    None also if the evaluation of now, on the rows that both versions predicted in the same weeks,
    shows no loss.
    """
    promotion = ledger.champion
    if promotion is None or promotion.what != "promoted":
        return None
    episodes = [
        e
        for e in ledger.open_episodes
        if read_evidence(e, EpisodeOpened).kind == BAKE_KIND
        and e.seq > promotion.seq
        and e.version == promotion.version
    ]
    if not episodes or (baked is not None and baked.decision.verdict == "pass"):
        return None
    is_shown = baked is not None and baked.decision.verdict == "fail"
    shown = _shown(baked.decision, promotion) if baked is not None and is_shown else None
    return make_rollback_asked(promotion, episodes[0], as_of, MONITOR_ACTOR, shown)


def record_rollback_request(
    book: Ledger, model: str, baked: BakeEvaluation | None, as_of: datetime
) -> tuple[Entry | None, list[Entry]]:
    """Record the request for a rollback, if one is due; return it and all that are unanswered.

    Conflict if the ledger changed in the meantime: the champion may be another one by now.
    """
    ledger = read_ledger_state(book, model)
    request = rollback_request(ledger, baked, as_of)
    if request is not None:
        with effect("ask for the rollback"):
            request, _ = book.record(request, expected_seq=ledger.seq)
    return request, read_ledger_state(book, model).list_requests("rollback_asked")


def _shown(decision: Decision, promotion: Entry) -> StepEvidence:
    """Return the evidence that a rollback keeps: `to` is the time from which rows are new.

    The reason says how large and how certain the loss is, on which rows of both versions, and what
    was shown for the promotion.
    """
    evidence = decision.evidence
    losses = [describe_loss(each) for each in evidence.differences.values() if each.high < 0]
    if evidence.rows is not None and evidence.from_ and evidence.to:
        weeks = f"{evidence.from_:%Y-%m-%d} to {evidence.to:%Y-%m-%d}"
        losses.append(f"measured on the same {evidence.rows} rows of both, {weeks}")
    return StepEvidence(
        reason="; ".join([decision.reason, *losses, *_describe_earlier(evidence, promotion)]),
        gates=evidence.gates,
        differences=evidence.differences,
        rows=evidence.rows,
        from_=evidence.from_,
        to=evidence.to,
    )


def _describe_earlier(evidence: GateEvidence, promotion: Entry) -> Iterator[str]:
    """Yield what was measured before the promotion, if it was: it may be another season."""
    earlier = read_evidence(promotion, Promoted)
    for subject, difference in earlier.differences.items():
        if subject in evidence.differences and not difference.is_slice and subject != CALIBRATION:
            until = f" until {earlier.to:%Y-%m-%d}" if earlier.to else ""
            yield (
                f"before the promotion{until}: {subject} improvement {difference.improvement:+.4f} "
                f"[{difference.low:+.4f}, {difference.high:+.4f}]"
            )


def _list_ends(since: datetime, as_of: datetime, use_case: UseCase) -> Iterator[datetime]:
    """Yield `as_of`, then earlier moments by whole monitor windows."""
    end = as_of
    while end > since:
        yield end
        end -= use_case.monitor.window


def _find_share(use_case: UseCase, window: BakeWindow, as_of: datetime) -> float:
    """Return the share of the error rate that an evaluation may spend.

    The monitoring table has the earlier ones. One that had too few rows spent nothing.
    """
    before = read_measurements(open_lake(use_case.name), as_of).filter(
        pl.col("kind") == BAKE_KIND,
        pl.col("model_version") == window.version,
        pl.col("as_of").is_between(window.since, as_of, closed="none"),
    )
    last = before["as_of"].max()
    last = last if isinstance(last, datetime) else window.since
    return spend_elapsed_time(window.since, last, as_of, window.until)


def _measure_difference(
    use_case: UseCase, baked: BakeEvaluation, difference: Difference, as_of: datetime
) -> Measurement:
    bake, metric = use_case.bake, difference.subject
    if metric == "cost":
        margin = bake.cost_margin * abs(difference.champion)
    else:
        margin = difference.unit * (bake.slice_margin if difference.is_slice else bake.margin)
    metric = use_case.gate.metric if difference.is_slice else metric
    sign = 1 if metric in LOWER_IS_BETTER else -1
    return Measurement(
        BAKE_KIND,
        difference.subject,
        baked.window.since,
        as_of,
        value=difference.challenger,
        reference=difference.champion,
        threshold=difference.champion + sign * margin,
        coverage=baked.coverage,
        rows=difference.rows,
        verdict="page" if is_shown_worse(difference, margin) else "ok",
    )
