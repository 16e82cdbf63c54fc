"""The gates, a line each: what was asked of a challenger, what was measured, and the verdict.

Each function decides from numbers alone; tasks/promotion.py measures them and asks in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from configs.schema.promotion import Budgets, Gate
from tasks.evaluation.bootstrap import CALIBRATION, MIN_BLOCKS, Difference
from tasks.evaluation.metrics import Floats
from tasks.reporting.problem_type_text import problem_type_text

if TYPE_CHECKING:
    from tasks.evaluation.problem_types import ProblemType, Threshold
    from tasks.models.footprint import Footprint


CheckVerdict = Literal["pass", "fail", "wait", "not asked"]


@dataclass(frozen=True)
class GateCheck:
    """One gate in words; its numbers stand in the decision's evidence."""

    gate: str
    asked: str
    measured: str
    verdict: CheckVerdict


class Margins(Protocol):
    """How much worse is borne: of the metric, as a share of the cost, of the metric in a slice."""

    @property
    def margin(self) -> float: ...  # noqa: D102
    @property
    def cost_margin(self) -> float: ...  # noqa: D102
    @property
    def slice_margin(self) -> float: ...  # noqa: D102


def check_row_count(
    gate: str, min_rows: int, label: Floats, blocks: int, kind: ProblemType
) -> GateCheck:
    """Enough labelled rows that can be compared, in enough blocks; else nothing can be said yet."""
    rows, (wanted, counted) = len(label), problem_type_text(kind).describe_labelled_rows(label)
    enough = rows >= min_rows and kind.can_compare(label) and blocks >= MIN_BLOCKS
    asked = f"at least {min_rows} rows{wanted}, in {MIN_BLOCKS} blocks or more"
    measured = f"only {rows} rows" if rows < min_rows else f"{rows} rows"
    verdict: CheckVerdict = "pass" if enough else "wait"
    return GateCheck(gate, asked, f"{measured}{counted}, in {blocks} blocks", verdict)


def check_improvement(gate: Gate, found: Difference) -> GateCheck:
    """The whole interval of the improvement lies above the bar that the rule sets."""
    bar = 0.0 if gate.rule == "superiority" else -gate.margin * found.unit
    asked = f"{gate.rule}: better by more than {bar:g} with {_confidence(found)}"
    return GateCheck(found.subject, asked, describe_difference(found), _passed(found.low > bar))


def check_not_worse(gate: str, found: Difference, margin: float) -> GateCheck:
    """Not shown to be worse by more than the margin, in the subject's own unit."""
    asked = f"not shown to be worse by more than {margin:.4g} with {_confidence(found)}"
    return GateCheck(
        gate, asked, describe_difference(found), _passed(not is_shown_worse(found, margin))
    )


def check_cost(found: Difference, share: float) -> GateCheck:
    """Not shown to be dearer by more than a share of the champion's cost."""
    return check_not_worse("cost", found, share * abs(found.champion))


def check_slices(found: Sequence[Difference], margin: float) -> list[GateCheck]:
    """One line for all slices, which tells the worst; then one for each that fails.

    The margin is in units of the metric, which are the same for all slices.
    """
    slices = [of for of in found if of.is_slice]
    if not slices:
        return [_not_asked("slices", "no slice is large enough")]
    worst = min(slices, key=lambda of: of.improvement)
    margin *= worst.unit
    failing = [of for of in slices if is_shown_worse(of, margin)]
    every = GateCheck(
        "slices",
        f"none of {len(slices)} shown to be worse by more than {margin:.4g} with "
        f"{_confidence(worst)} each",
        f"{len(failing)} shown; the lowest is {worst.subject}: {describe_difference(worst)}",
        _passed(not failing),
    )
    return [every, *(check_not_worse(f"slice {of.subject}", of, margin) for of in failing)]


def check_comparison(
    gate: Gate, found: Sequence[Difference], constant: str | None = None
) -> list[GateCheck]:
    """What the comparison says. Slices and calibration are not asked of a first champion: the
    `constant` (its name) that it is compared with ranks nothing, and is calibrated.
    """
    by_name = {of.subject: of for of in found}
    lines = [
        check_improvement(gate, by_name[gate.metric]),
        check_cost(by_name["cost"], gate.cost_margin),
    ]
    if constant is not None:
        why = f"compared with {constant}: no champion yet"
        return [*lines, _not_asked("slices", why), _not_asked(CALIBRATION, why)]
    gap = by_name[CALIBRATION]
    return [
        *lines,
        *check_slices(found, gate.slice_margin),
        check_not_worse(CALIBRATION, gap, gate.calibration_margin * gap.unit),
    ]


def check_harm(margins: Margins, metric: str, found: Sequence[Difference]) -> list[GateCheck]:
    """Whether the newer model is shown to be worse than the margins bear."""
    by_name = {of.subject: of for of in found}
    return [
        check_not_worse(metric, by_name[metric], margins.margin * by_name[metric].unit),
        check_cost(by_name["cost"], margins.cost_margin),
        *check_slices(found, margins.slice_margin),
    ]


def check_budgets(budgets: Budgets, measured: Footprint) -> list[GateCheck]:
    """What the file costs to run, against what it may."""
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
    """The file answers the golden rows as the fitted estimator did, and decides alike."""
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
    """The file answers its golden rows as it did when it was registered."""
    difference = kind.max_difference(now, registered)
    asked = f"{len(now)} rows answered as registered, to {largest:.1g}"
    measured = f"differs by at most {difference:.1e}"
    return GateCheck("golden rows", asked, measured, _passed(difference <= largest))


def check_not_rolled_back(undone: datetime | None, left: int) -> GateCheck:
    """A file that was rolled back is judged on rows later than those that undid it; `left` are."""
    if undone is None:
        return GateCheck("not undone before", "no rollback of this file", "none", "pass")
    asked = f"rolled back once: rows later than {undone:%Y-%m-%d %H:%M}"
    return GateCheck("not undone before", asked, f"{left} rows", "pass" if left else "wait")


def summarise_checks(lines: Sequence[GateCheck]) -> str:
    """What the lines say in one sentence: what is waited for; or the metric, and what fails."""
    waiting = [line for line in lines if line.verdict == "wait"]
    if waiting or len(lines) < 2:
        return "; ".join(f"{line.measured}; asked: {line.asked}" for line in waiting)
    metric = lines[1]
    several = (line for line in lines if not line.gate.startswith("slice "))  # `slices` tells them
    failing = [line for line in several if line.verdict == "fail"]
    fails = [line.gate if line is metric else f"{line.gate} {line.measured}" for line in failing]
    verdict = f"fails: {'; '.join(fails)}" if fails else "every gate holds"
    return f"{metric.gate} {metric.measured}; {verdict}"


def is_shown_worse(found: Difference, margin: float) -> bool:
    """Worse by more than the margin, and the interval says that it is no chance."""
    return found.improvement < -margin and found.high < 0


def describe_difference(found: Difference) -> str:
    """A difference in words: both models, the improvement and its interval."""
    return (
        f"{found.challenger:.4f} against {found.champion:.4f}: improvement "
        f"{found.improvement:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
    )


def _budget(gate: str, side: str, limit: float | None, value: float, unit: str) -> GateCheck:
    measured = f"{value:,.0f} {unit}"
    if limit is None:
        return _not_asked(gate, measured)
    holds = value <= limit if side == "at most" else value >= limit
    return GateCheck(gate, f"{side} {limit:,.0f} {unit}", measured, _passed(holds))


def _not_asked(gate: str, why: str) -> GateCheck:
    return GateCheck(gate, "–", why, "not asked")


def _confidence(found: Difference) -> str:
    return f"{100 * found.confidence:.4g}% confidence"


def _passed(holds: bool) -> CheckVerdict:
    return "pass" if holds else "fail"
