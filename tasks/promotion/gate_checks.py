"""Checks of the gate: the requirement, the measurement and the verdict of each.

Each function decides from numbers alone; `gate` measures them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from configs.schema.promotion import Gate
from configs.schema.training import Kpi
from tasks.evaluation.blocks import MIN_BLOCKS
from tasks.evaluation.bootstrap import CALIBRATION, Difference
from tasks.evaluation.kpis.measure import KPI_PREFIX
from tasks.evaluation.metrics import Floats
from tasks.ledger.evidence import CheckVerdict, GateCheck
from tasks.reporting.problem_type_text import problem_type_text

if TYPE_CHECKING:
    from tasks.evaluation.influence import DecisiveBlock
    from tasks.evaluation.problem_types import ProblemType


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
    required = f"at least {min_rows} rows{wanted}, in {MIN_BLOCKS} blocks or more"
    measured = f"only {rows} rows" if rows < min_rows else f"{rows} rows"
    verdict: CheckVerdict = "pass" if enough else "wait"
    return GateCheck(gate, required, f"{measured}{counted}, in {blocks} blocks", verdict)


def check_improvement(gate: Gate, difference: Difference, *, final: bool = True) -> GateCheck:
    """Require that the improvement is shown, by the rule; wait if looks follow and it may be.

    Args:
        gate: the rule
        difference: the difference in gate.metric
        final: whether no look follows
    """
    bar = improvement_bar(gate, difference)
    if gate.rule == "expected_gain":
        required = f"{gate.rule}: better, and by less than {bar:g} with at most {_risk(difference)}"
    else:
        required = f"{gate.rule}: better by more than {bar:g} with {_confidence(difference)}"
    verdict = to_verdict(is_shown_better(gate, difference))
    if verdict == "fail" and not final and difference.high > bar:
        verdict = "wait"
    return GateCheck(difference.subject, required, describe_difference(difference), verdict)


def improvement_bar(gate: Gate, difference: Difference) -> float:
    """Return the value that the interval of the improvement must exceed."""
    return 0.0 if gate.rule == "superiority" else -gate.margin * difference.unit


def is_shown_better(gate: Gate, difference: Difference) -> bool:
    """Return whether the whole interval lies above the bar; an expected gain is a gain too."""
    gains = gate.rule != "expected_gain" or difference.improvement > 0
    return gains and difference.low > improvement_bar(gate, difference)


def check_look(number: int, planned: int, following: datetime) -> GateCheck:
    """Return the row of the table of a look that shows no verdict yet."""
    measured = f"not shown yet at look {number}, the next is due from {following:%Y-%m-%d %H:%M}"
    return GateCheck("looks", f"a verdict within {planned} looks", measured, "wait")


def describe_influence(subject: str, block: DecisiveBlock) -> GateCheck:
    """Return the row of the table that names the block which decides a verdict."""
    measured = (
        f"the block from {block.since:%Y-%m-%d %H:%M} decides: without it "
        f"{describe_difference(block.without)}"
    )
    return GateCheck(f"influence on {subject}", "–", measured, "not asked")


def check_not_worse(gate: str, difference: Difference, margin: float) -> GateCheck:
    """Require that it is not shown to be worse by more than a margin, in the subject's unit."""
    required = f"not shown to be worse by more than {margin:.4g} with {_confidence(difference)}"
    return GateCheck(
        gate,
        required,
        describe_difference(difference),
        to_verdict(not is_shown_worse(difference, margin)),
    )


def check_cost(difference: Difference, share: float) -> GateCheck:
    """Require that the cost is not shown to be higher by more than a share of the champion's."""
    return check_not_worse("cost", difference, share * abs(difference.champion))


def check_slices(difference: Sequence[Difference], margin: float) -> list[GateCheck]:
    """Return one check of all slices, with the worst; then one for each slice that fails.

    The margin is in units of the metric, which are the same for all slices.
    """
    slices = [each for each in difference if each.is_slice]
    if not slices:
        return [skip_check("slices", "no slice is large enough")]
    worst = min(slices, key=lambda each: each.improvement)
    margin *= worst.unit
    failing = [each for each in slices if is_shown_worse(each, margin)]
    summary = GateCheck(
        "slices",
        f"none of {len(slices)} shown to be worse by more than {margin:.4g} with "
        f"{_confidence(worst)} each",
        f"{len(failing)} shown; the lowest is {worst.subject}: {describe_difference(worst)}",
        to_verdict(not failing),
    )
    return [
        summary,
        *(check_not_worse(f"slice {each.subject}", each, margin) for each in failing),
    ]


def check_comparison(
    gate: Gate,
    difference: Sequence[Difference],
    constant: str | None = None,
    *,
    final: bool = True,
) -> list[GateCheck]:
    """Return the checks of the metric, the cost, the slices and the calibration.

    Slices and calibration are skipped for a first champion: the `constant` (its name) that it is
    compared with ranks nothing, and is calibrated.

    Args:
        gate: rule and margins
        difference: the differences
        constant: name of the constant that a first champion is compared with
        final: whether no look follows
    """
    by_name = {each.subject: each for each in difference}
    checks = [
        check_improvement(gate, by_name[gate.metric], final=final),
        check_cost(by_name["cost"], gate.cost_margin),
    ]
    if constant is not None:
        why = f"compared with {constant}: no champion yet"
        return [*checks, skip_check("slices", why), skip_check(CALIBRATION, why)]
    gap = by_name[CALIBRATION]
    return [
        *checks,
        *check_slices(difference, gate.slice_margin),
        check_not_worse(CALIBRATION, gap, gate.calibration_margin * gap.unit),
    ]


def check_kpis(kpis: Mapping[str, Kpi], difference: Sequence[Difference]) -> list[GateCheck]:
    """Return one row for each KPI: a check if it has `gate_margin`, else information.

    Args:
        kpis: the KPIs by name
        difference: the differences of those that have a number
    """
    by_name = {each.subject: each for each in difference}
    rows = []
    for name, kpi in kpis.items():
        subject = KPI_PREFIX + name
        if subject not in by_name:
            rows.append(skip_check(subject, "it has no number on these rows"))
        elif kpi.gate_margin is None:
            rows.append(skip_check(subject, describe_difference(by_name[subject])))
        else:
            rows.append(check_not_worse(subject, by_name[subject], kpi.gate_margin))
    return rows


def check_harm(margins: Margins, metric: str, difference: Sequence[Difference]) -> list[GateCheck]:
    """Return the checks that the newer model is not shown to be worse by more than the margins."""
    by_name = {each.subject: each for each in difference}
    return [
        check_not_worse(metric, by_name[metric], margins.margin * by_name[metric].unit),
        check_cost(by_name["cost"], margins.cost_margin),
        *check_slices(difference, margins.slice_margin),
    ]


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


def is_shown_worse(difference: Difference, margin: float) -> bool:
    """Return whether it is worse by more than the margin, with an interval below 0."""
    return difference.improvement < -margin and difference.high < 0


def describe_difference(difference: Difference) -> str:
    """Return a difference in words: both models, the improvement and its interval."""
    return (
        f"{difference.challenger:.4f} against {difference.champion:.4f}: improvement "
        f"{difference.improvement:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"
    )


def describe_loss(difference: Difference) -> str:
    """Return how large a shown loss is, and how certain."""
    return (
        f"{difference.subject} lost {-difference.improvement:.4f}, at least "
        f"{-difference.high:.4f} with {50 * (1 + difference.confidence):.4g}% confidence"
    )


def skip_check(gate: str, why: str) -> GateCheck:
    """Return the row of a check that is not asked."""
    return GateCheck(gate, "–", why, "not asked")


def _confidence(difference: Difference) -> str:
    return f"{100 * difference.confidence:.4g}% confidence"


def _risk(difference: Difference) -> str:
    return f"{50 * (1 - difference.confidence):.4g}% risk"


def to_verdict(holds: bool) -> CheckVerdict:
    """Return pass or fail."""
    return "pass" if holds else "fail"
