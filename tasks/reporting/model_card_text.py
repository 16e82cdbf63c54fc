"""The model card in words: what a version is, how good, for what, and what it must not be used for.

Every sentence of the limits is derived from the card; nothing is claimed that was not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.evaluation.problem_types import recorded_problem_type
from tasks.models.card import ModelCard
from tasks.models.reference_profile import CategoricalBins, ColumnProfile
from tasks.reporting.markdown import markdown_table
from tasks.reporting.problem_type_text import problem_type_text

_OFTEN_MISSING = 0.05
_YEAR_DAYS = 365


def card_summary(card: ModelCard) -> str:
    """The head of the card in Markdown: what it is, what it answers, how good it is."""
    return f"""# {card.title}

{_head(card)}

{_metrics(card)}
"""


@dataclass(frozen=True)
class VersionHistory:
    """What became of a card's model: its version, where it stands, and its story in Markdown."""

    version: int
    standing: str
    story: str


def card_markdown(
    card: ModelCard, became: VersionHistory | None = None, pictures: Mapping[str, str] | None = None
) -> str:
    """The whole card in Markdown; `pictures` are the addresses of `calibration`, `importance` and
    `drift`.
    """
    shown = {name: f"\n![{name}]({address})\n" for name, address in (pictures or {}).items()}
    standing = f"**{became.standing}**\n\n" if became else ""
    return f"""# {card.title}

{standing}{_head(card)}

## How good it is
Measured on the holdout with the file that runs.

{_metrics(card)}

{_sureness(card)}

{became.story if became else ""}
## Limits
{list_limits(card)}

## Calibration on the holdout
{shown.get("calibration", "")}
{markdown_table(card.calibration)}

## What it looks at
{shown.get("importance") or _importance(card)}

## Slices of the holdout
{_slices(card)}

{_thin(card)}

## Candidates on the validation span
{markdown_table([{"candidate": name, **metrics} for name, metrics in card.validation.items()])}

## Data
{_windows(card)}

## What is normal
The monitor compares each window of {card.reference.window.days} days with this profile of \
{card.reference.rows:,} rows; beyond its threshold (PSI) a column has drifted. \
{_own(card)} is the model's own answer.
{shown.get("drift", "")}
{markdown_table([_normal(name, column) for name, column in card.reference.columns.items()])}

## Cost to run
{_footprint(card)}

## To reproduce
{_reproduction(card, became)}
"""


def list_limits(card: ModelCard) -> str:
    """What the model is not made for, as far as its own numbers tell."""
    return "\n".join(f"- {said}" for said in _limits(card))


def _head(card: ModelCard) -> str:
    """In two sentences: what it is, and on what it was fitted and measured."""
    fitted = card.rows["train"] + card.rows["validation"]
    text = problem_type_text(recorded_problem_type(card))
    return (
        f"`{card.algorithm}` (`{card.candidate.estimator}`), {len(card.inputs.inputs)} inputs from "
        f"feature service `{card.feature_service}`; {text.describe_decision_rule(card.threshold)}. "
        f"Fitted and selected on {fitted:,} rows of "
        f"{card.start:%Y-%m-%d} to {card.trained_until:%Y-%m-%d}, measured on the holdout up to "
        f"{card.end:%Y-%m-%d} ({card.rows['holdout']:,} rows, "
        f"{text.describe_labels(card.holdout)})."
    )


def _limits(card: ModelCard) -> list[str]:
    said = [
        f"It answers one question, “{card.title}”, for a row at its prediction time, from what was "
        "known by then. With inputs of another moment its answers mean nothing.",
        _span(card),
        f"It was measured on {(card.end - card.trained_until).days} days. Its numbers and their "
        "intervals are about these; other times may differ by more.",
    ]
    cost = card.configuration.get("evaluation", {}).get("cost")
    if cost:
        said.append(problem_type_text(recorded_problem_type(card)).describe_costs(cost))
    missing = [
        f"`{name}` ({column.shares[-1]:.0%})"
        for name, column in card.reference.columns.items()
        if column.shares[-1] > _OFTEN_MISSING
    ]
    if missing:
        said.append(f"Often without a value when it was fitted: {', '.join(missing)}.")
    unseen = [f"`{name}` ({len(known)} known)" for name, known in card.inputs.vocabulary.items()]
    if unseen:
        said.append(
            f"A value that was never seen is guessed at, of {', '.join(unseen)}: no fitted row "
            "had one."
        )
    if card.thin:
        said.append(
            f"{len(card.thin)} slices were too small to be measured; how good it is there, nobody "
            "knows (see the slices)."
        )
    said.append("Contributions and importance tell what the model used, not what causes the event.")
    return said


def _span(card: ModelCard) -> str:
    days = (card.trained_until - card.start).days
    span = f"It has seen {days} days, {card.start:%Y-%m-%d} to {card.trained_until:%Y-%m-%d}"
    if days >= _YEAR_DAYS:
        return f"{span}."
    return f"{span}: less than a year, so not every season."


def _metrics(card: ModelCard) -> str:
    rows = []
    for name in recorded_problem_type(card).card_metrics:
        low, high = card.intervals.get(name, (None, None))
        between = "" if low is None or high is None else f"{low:.4f} to {high:.4f}"
        rows.append({"metric": name, "holdout": card.holdout[name], "interval": between})
    return markdown_table(rows)


def _sureness(card: ModelCard) -> str:
    gate = card.configuration.get("gate", {})
    if not card.intervals or not gate:
        return "No intervals: the rows lie in too few blocks, or the card is older than they are."
    return (
        f"Intervals at {gate['confidence']:.0%} confidence, rows resampled by blocks "
        f"(gate.block {gate['block'] or 'null'})."
    )


def _importance(card: ModelCard) -> str:
    times, unit = problem_type_text(recorded_problem_type(card)).contribution_unit
    rows = [
        {"input": name, f"mean size of its contribution, {unit}": times * value}
        for name, value in card.importance.items()
    ]
    return markdown_table(rows)


def _slices(card: ModelCard) -> str:
    names = ("slice", "value", "rows", *recorded_problem_type(card).slice_metrics)
    return markdown_table([{name: entry[name] for name in names} for entry in card.slices])


def _thin(card: ModelCard) -> str:
    if not card.thin:
        return "No slice was too small to be measured."
    named = (f"{each['slice']} {each['value']} ({each['rows']})" for each in card.thin)
    return f"Too small to be measured (rows): {', '.join(named)}."


def _windows(card: ModelCard) -> str:
    fitted = card.fitted_until or card.trained_until
    spans = {
        "train": (card.start, fitted),
        "validation": (fitted, card.trained_until),
        "holdout": (card.trained_until, card.end),
    }
    rows = [
        {"part": part, "from": f"{a:%Y-%m-%d %H:%M}", "to": f"{b:%Y-%m-%d %H:%M}", "rows": rows}
        for (part, (a, b)), rows in zip(spans.items(), card.rows.values(), strict=True)
    ]
    versions = [{"table": name, "version": number} for name, number in card.table_versions.items()]
    return f"{markdown_table(rows)}\n\n{markdown_table(versions)}"


def _own(card: ModelCard) -> str:
    return ", ".join(f"`{name}`" for name in recorded_problem_type(card).score_names)


def _normal(name: str, column: ColumnProfile) -> dict[str, Any]:
    """One column of the reference profile: what it holds usually, and from where it has drifted."""
    return {
        "column": name,
        "usual": _usual(column),
        "missing": f"{column.shares[-1]:.1%}",
        "threshold": column.threshold,
    }


def _usual(column: ColumnProfile) -> str:
    """The middle 80% of a numeric column; the commonest values of a categorical one."""
    if isinstance(column.bins, CategoricalBins):
        top = column.bins.common[:3]
        return ", ".join(f"{v} {s:.0%}" for v, s in zip(top, column.shares, strict=False))
    edges = column.bins.edges
    if len(edges) < 2:
        return "(always missing)"
    low, high = (edges[1], edges[-2]) if len(edges) > 3 else (edges[0], edges[-1])
    return f"{round(low, 9):.4g} to {high:.4g}"


def _footprint(card: ModelCard) -> str:
    cost = card.footprint
    return (
        f"{cost.bytes:,} bytes; one row {cost.latency_p50_us:.0f} µs (p99 "
        f"{cost.latency_p99_us:.0f} µs); {cost.rows_per_second:,.0f} rows/s with one thread; peak "
        f"memory {cost.peak_memory_mib:.0f} MiB of a fresh process. Differs from scikit-learn by "
        f"at most {card.parity:.1e}, no decision differs."
    )


def _reproduction(card: ModelCard, became: VersionHistory | None) -> str:
    version = became.version if became else "<version>"
    made_with = ", ".join(f"{name} {number}" for name, number in card.environment.items())
    return f"""`mainspring reproduce {card.use_case} {version}` trains it again from the table \
versions above, code `{card.revision}` and seed {card.seed}, and compares the answers.

- made with: {made_with or "(not recorded)"}
- inputs: {", ".join(card.inputs.inputs)}
- ONNX file: sha256 `{card.digest}`"""
