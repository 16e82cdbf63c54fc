"""Checks of the gate: the requirement, the measurement and the verdict of each.

Each function decides from numbers alone; `gate` measures them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from configs.schema.promotion import Budgets, Gate
from tasks.evaluation.bootstrap import CALIBRATION, MIN_BLOCKS, Difference
from tasks.evaluation.metrics import Floats
from tasks.ledger.evidence import CheckVerdict, GateCheck
from tasks.reporting.problem_type_text import problem_type_text

if TYPE_CHECKING:
    from tasks.evaluation.problem_types import ProblemType, Threshold
    from tasks.models.footprint import Footprint


class Margins(Protocol):
    """Loss that is tolerated: of the metric, as a share of the cost, of the metric in a slice."""

    @property
    def margin(self) -> float: ...  # noqa: D102
    @property
    def cost_margin(self) -> float: ...  # noqa: D102
    @property
    def slice_margin(self) -> float: ...  # noqa: D102


def check_row_count(
    gate: str, min_rows: int, label: Floats, blocks: int, kind: ProblemType
) -> GateCheck:
    """Require enough labelled rows that can be compared, in enough blocks.

    Args:
        gate: name of the check
        min_rows: rows that are required
        label: labels of the rows
        blocks: number of blocks of time that the rows lie in
        kind: problem type
    """
    rows, (wanted, counted) = len(label), problem_type_text(kind).describe_labelled_rows(label)
    enough = rows >= min_rows and kind.can_compare(label) and blocks >= MIN_BLOCKS
    asked = f"at least {min_rows} rows{wanted}, in {MIN_BLOCKS} blocks or more"
    measured = f"only {rows} rows" if rows < min_rows else f"{rows} rows"
    verdict: CheckVerdict = "pass" if enough else "wait"
    return GateCheck(gate, asked, f"{measured}{counted}, in {blocks} blocks", verdict)


def check_improvement(gate: Gate, found: Difference) -> GateCheck:
    """Require that the whole interval of the improvement lies above the bar of the rule."""
    bar = 0.0 if gate.rule == "superiority" else -gate.margin * found.unit
    required = f"{gate.rule}: better by more than {bar:g} with {_confidence(found)}"
    return GateCheck(found.subject, required, describe_difference(found), _passed(found.low > bar))


def check_not_worse(gate: str, found: Difference, margin: float) -> GateCheck:
    """Require that it is not shown to be worse by more than a margin, in the subject's unit."""
    required = f"not shown to be worse by more than {margin:.4g} with {_confidence(found)}"
    return GateCheck(
        gate, required, describe_difference(found), _passed(not is_shown_worse(found, margin))
    )


def check_cost(found: Difference, share: float) -> GateCheck:
    """Require that the cost is not shown to be higher by more than a share of the champion's."""
    return check_not_worse("cost", found, share * abs(found.champion))


def check_slices(found: Sequence[Difference], margin: float) -> list[GateCheck]:
    """Return one check of all slices, with the worst; then one for each slice that fails.

    The margin is in units of the metric, which are the same for all slices.
    """
    slices = [each for each in found if each.is_slice]
    if not slices:
        return [_skip("slices", "no slice is large enough")]
    worst = min(slices, key=lambda each: each.improvement)
    margin *= worst.unit
    failing = [each for each in slices if is_shown_worse(each, margin)]
    summary = GateCheck(
        "slices",
        f"none of {len(slices)} shown to be worse by more than {margin:.4g} with "
        f"{_confidence(worst)} each",
        f"{len(failing)} shown; the lowest is {worst.subject}: {describe_difference(worst)}",
        _passed(not failing),
    )
    return [
        summary,
        *(check_not_worse(f"slice {each.subject}", each, margin) for each in failing),
    ]


def check_comparison(
    gate: Gate, found: Sequence[Difference], constant: str | None = None
) -> list[GateCheck]:
    """Return the checks of the metric, the cost, the slices and the calibration.

    Slices and calibration are skipped for a first champion: the `constant` (its name) that it is
    compared with ranks nothing, and is calibrated.
    """
    by_name = {each.subject: each for each in found}
    checks = [
        check_improvement(gate, by_name[gate.metric]),
        check_cost(by_name["cost"], gate.cost_margin),
    ]
    if constant is not None:
        why = f"compared with {constant}: no champion yet"
        return [*checks, _skip("slices", why), _skip(CALIBRATION, why)]
    gap = by_name[CALIBRATION]
    return [
        *checks,
        *check_slices(found, gate.slice_margin),
        check_not_worse(CALIBRATION, gap, gate.calibration_margin * gap.unit),
    ]


def check_harm(margins: Margins, metric: str, found: Sequence[Difference]) -> list[GateCheck]:
    """Return the checks that the newer model is not shown to be worse by more than the margins."""
    by_name = {each.subject: each for each in found}
    return [
        check_not_worse(metric, by_name[metric], margins.margin * by_name[metric].unit),
        check_cost(by_name["cost"], margins.cost_margin),
        *check_slices(found, margins.slice_margin),
    ]


def check_budgets(budgets: Budgets, measured: Footprint) -> list[GateCheck]:
    """Return the checks of latency, throughput, size and memory against the budgets."""
    latency, speed = measured.latency_p99_us, measured.rows_per_second
    memory = measured.peak_memory_mib
    return [
        _budget("p99 latency of one row", "at most", budgets.latency_p99_us, latency, "µs"),
        _budget("throughput", "at least", budgets.rows_per_second, speed, "rows/s"),
        _budget("size of the file", "at most", budgets.bytes, measured.bytes, "bytes"),
        _budget("peak memory", "at most", budgets.peak_memory_mib, memory, "MiB"),
    ]


def check_golden_parity(
    kind: ProblemType, file: Floats, estimator: Floats, threshold: Threshold, largest: float
) -> GateCheck:
    """Require that the file predicts and decides the golden rows as the fitted estimator did.

    Args:
        kind: problem type
        file: predictions of the ONNX file
        estimator: predictions of the scikit-learn estimator
        threshold: decision threshold of the model
        largest: largest difference that is tolerated
    """
    difference = kind.max_difference(file, estimator)
    flipped = kind.count_flipped_decisions(file, threshold, estimator, threshold)
    return GateCheck(
        "parity",
        f"as scikit-learn to {largest:.1g}, no decision flipped",
        f"differs by at most {difference:.1e}, {flipped} of {len(file)} flipped",
        _passed(difference <= largest and not flipped),
    )


def check_golden_rows(
    kind: ProblemType, now: Floats, registered: Floats, largest: float
) -> GateCheck:
    """Require that the file predicts its golden rows as it did when it was registered.

    Args:
        kind: problem type
        now: predictions of today
        registered: predictions stored at registration
        largest: largest difference that is tolerated
    """
    difference = kind.max_difference(now, registered)
    required = f"{len(now)} rows predicted as registered, to {largest:.1g}"
    measured = f"differs by at most {difference:.1e}"
    return GateCheck("golden rows", required, measured, _passed(difference <= largest))


def check_not_rolled_back(rolled_back: datetime | None, later_rows: int) -> GateCheck:
    """Require rows later than those of a rollback of this file; `later_rows` is their number."""
    if rolled_back is None:
        return GateCheck("not undone before", "no rollback of this file", "none", "pass")
    required = f"rolled back once: rows later than {rolled_back:%Y-%m-%d %H:%M}"
    verdict: CheckVerdict = "pass" if later_rows else "wait"
    return GateCheck("not undone before", required, f"{later_rows} rows", verdict)


def summarise_checks(checks: Sequence[GateCheck]) -> str:
    """Return the checks in one sentence: those that wait, or the metric and those that fail."""
    waiting = [check for check in checks if check.verdict == "wait"]
    if waiting or len(checks) < 2:
        return "; ".join(f"{check.measured}; required: {check.asked}" for check in waiting)
    metric = checks[1]
    # the check `slices` names the worst slice already
    whole = (check for check in checks if not check.gate.startswith("slice "))
    failing = [check for check in whole if check.verdict == "fail"]
    fails = [
        check.gate if check is metric else f"{check.gate} {check.measured}" for check in failing
    ]
    verdict = f"fails: {'; '.join(fails)}" if fails else "every check passes"
    return f"{metric.gate} {metric.measured}; {verdict}"


def is_shown_worse(found: Difference, margin: float) -> bool:
    """Return whether it is worse by more than the margin, with an interval below 0."""
    return found.improvement < -margin and found.high < 0


def describe_difference(found: Difference) -> str:
    """Return a difference in words: both models, the improvement and its interval."""
    return (
        f"{found.challenger:.4f} against {found.champion:.4f}: improvement "
        f"{found.improvement:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
    )


def _budget(gate: str, side: str, limit: float | None, value: float, unit: str) -> GateCheck:
    measured = f"{value:,.0f} {unit}"
    if limit is None:
        return _skip(gate, measured)
    holds = value <= limit if side == "at most" else value >= limit
    return GateCheck(gate, f"{side} {limit:,.0f} {unit}", measured, _passed(holds))


def _skip(gate: str, why: str) -> GateCheck:
    return GateCheck(gate, "–", why, "not asked")


def _confidence(found: Difference) -> str:
    return f"{100 * found.confidence:.4g}% confidence"


def _passed(holds: bool) -> CheckVerdict:
    return "pass" if holds else "fail"
