"""Model card text in Markdown: purpose, metrics, limits, data and cost.

Every sentence of the limits is derived from the card: the text claims only what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from configs.settings import settings
from tasks.evaluation.metrics import METRIC_NAMES
from tasks.evaluation.problem_types import recorded_problem_type
from tasks.model_cards.limits import list_limits
from tasks.model_cards.measured_rows import (
    describe_holdout,
    describe_measurement,
)
from tasks.models.card import ModelCard
from tasks.models.mlflow.links import build_model_url, build_version_url
from tasks.models.reference_profile import CategoricalBins, ColumnProfile
from tasks.reporting.formats import (
    format_count,
    format_moment,
    format_number,
    format_share,
)
from tasks.reporting.markdown import escape_markdown, format_code, render_markdown
from tasks.reporting.problem_type_text import problem_type_text
from tasks.reporting.table import build_record_table, build_table, transpose_table

_BEST_TRIALS = 5  # of a search, that a card shows


def render_card_summary(card: ModelCard) -> str:
    """Return the head of the card in Markdown: purpose, training data and metrics."""
    return f"""# {escape_markdown(card.title)}

{_describe_model(card)}

{_render_metrics(card)}
"""


@dataclass(frozen=True)
class VersionHistory:
    """What the ledger says of a version: its number, its standing, and its story in Markdown."""

    version: int
    standing: str
    story: str


def render_card(
    card: ModelCard,
    history: VersionHistory | None = None,
    pictures: Mapping[str, str] | None = None,
) -> str:
    """Return the whole card in Markdown.

    Args:
        card: The card of a model.
        history: What the ledger says of the version; None before it is registered.
        pictures: The addresses of `calibration`, `importance` and `drift`.
    """
    images = {name: f"\n![{name}]({address})\n" for name, address in (pictures or {}).items()}
    standing = f"**{escape_markdown(history.standing)}**\n\n" if history else ""
    return f"""# {escape_markdown(card.title)}

{standing}{_render_links(card, history)}{_describe_model(card)}

## Metrics
{describe_measurement(card)}

{_render_metrics(card)}

{_describe_intervals(card)}

{history.story if history else ""}
## Limits
{list_limits(card)}

## Calibration on the holdout
{images.get("calibration", "")}
{render_markdown(build_record_table(card.calibration))}

## Importance of the inputs
{images.get("importance") or _render_importance(card)}

## Slices of the holdout
{_render_slices(card)}

{_list_thin_slices(card)}

## Candidates on the validation span
{_render_candidates(card)}
{_render_search(card, images)}
## Data
{_render_data(card)}

## Reference profile
The monitor compares each window of {card.reference.window.days} days with this profile of \
{format_count(card.reference.rows)} rows. A column drifts when its PSI exceeds its threshold.\
{_describe_seasons(card)} \
{_list_prediction_columns(card)} is the model's own prediction.
{images.get("drift", "")}
{_render_reference(card)}

## Cost to run
{_describe_footprint(card)}

## To reproduce
{_describe_reproduction(card, history)}
"""


def _render_links(card: ModelCard, history: VersionHistory | None) -> str:
    """Return links to the version's pages, and to the card of the version before it."""
    if history is None:
        return ""
    name, version = card.use_case, history.version
    pages = {
        f"version {version} in MLflow": build_version_url(name, version),
        "all versions": build_model_url(name),
        "runs in Prefect": f"{settings().prefect_url}/deployments?tags={name}",
    }
    if version > 1:
        pages[f"card of version {version - 1}"] = f"v{version - 1}.html"
    return " · ".join(f"[{title}]({page})" for title, page in pages.items()) + "\n\n"


def _describe_model(card: ModelCard) -> str:
    """Describe in two sentences what the model is, and its training and holdout rows."""
    text = problem_type_text(recorded_problem_type(card))
    rule = text.describe_decision_rule(card.threshold)
    chosen = format_count(card.rows["validation"])
    selected = f" and selected on {chosen} more" if card.refit is None else ""
    return (
        f"{format_code(card.algorithm)} ({format_code(card.candidate.estimator)}), "
        f"{len(card.inputs.inputs)} inputs from feature service "
        f"{format_code(card.feature_service)}; {escape_markdown(rule)}. "
        f"Fitted on {format_count(card.rows['train'])} rows{selected}, of {card.start:%Y-%m-%d} to "
        f"{card.trained_until:%Y-%m-%d}; {describe_holdout(card)}"
    )


def _render_metrics(card: ModelCard) -> str:
    rows = []
    for name in recorded_problem_type(card).card_metrics:
        low, high = card.intervals.get(name, (None, None))
        interval = (
            ""
            if low is None or high is None
            else f"{format_number(low, 4)} to {format_number(high, 4)}"
        )
        rows.append((METRIC_NAMES.get(name, name), card.holdout[name], interval))
    return render_markdown(build_table(("metric", "holdout", "interval"), rows))


def _describe_intervals(card: ModelCard) -> str:
    gate = card.configuration.get("gate", {})
    if not card.intervals or not gate:
        return "No intervals: there are too few blocks of rows, or the card predates intervals."
    return (
        f"Intervals at {format_share(gate['confidence'])} confidence, rows resampled by blocks "
        f"(gate.block {gate['block'] or 'null'}), in runs where neighbouring blocks are alike."
    )


def _render_importance(card: ModelCard) -> str:
    factor, unit = problem_type_text(recorded_problem_type(card)).contribution_unit
    rows = [(name, factor * value) for name, value in card.importance.items()]
    return render_markdown(build_table(("input", f"mean size of its contribution, {unit}"), rows))


def _render_slices(card: ModelCard) -> str:
    names = ("slice", "value", "rows", *recorded_problem_type(card).slice_metrics)
    return render_markdown(
        build_table(names, [[each[name] for name in names] for each in card.slices])
    )


def _list_thin_slices(card: ModelCard) -> str:
    if not card.thin:
        return "No slice was too small to be measured."
    names = (f"{each['slice']} {each['value']} ({each['rows']})" for each in card.thin)
    return f"Too small to be measured (rows): {escape_markdown(', '.join(names))}."


def _render_search(card: ModelCard, images: Mapping[str, str]) -> str:
    """Return the search of parameters: what it tried, how it ended, and its best trials."""
    if card.search is None:
        return ""
    search, complete = card.search, [each for each in card.search.trials if not each.pruned]
    worst_first = search.direction == "maximize"
    best = sorted(complete, key=lambda trial: trial.value, reverse=worst_first)[:_BEST_TRIALS]
    rows = [{**trial.params, f"mean {search.metric} of the folds": trial.value} for trial in best]
    charts = images.get("search", "") + images.get("search-parameters", "")
    return f"""
## Search of parameters
`tuned` is {format_code(search.candidate)} with the best of {len(search.trials)} trials, on folds \
inside the train span. {len(search.trials) - len(complete)} trials ended early. The search read no \
validation and no holdout row.
{charts}
{render_markdown(build_record_table(rows))}
"""


def _render_candidates(card: ModelCard) -> str:
    rows = [{"candidate": name, **metrics} for name, metrics in card.validation.items()]
    return render_markdown(transpose_table(build_record_table(rows)))


def _render_data(card: ModelCard) -> str:
    fitted = card.fitted_until or card.trained_until
    spans = {
        "train": (card.start, fitted),
        "validation": (fitted, card.trained_until),
        "holdout": (card.trained_until, card.end),
    }
    parts = [
        (part, format_moment(start), format_moment(end), rows)
        for (part, (start, end)), rows in zip(spans.items(), card.rows.values(), strict=True)
        if start < end
    ]
    spans_table = build_table(("part", "from", "to", "rows"), parts)
    versions = build_table(("table", "version"), card.table_versions.items())
    return f"{render_markdown(spans_table)}\n\n{render_markdown(versions)}"


def _list_prediction_columns(card: ModelCard) -> str:
    names = card.reference.score_names(card.inputs.inputs)
    return ", ".join(format_code(name) for name in names)


def _render_reference(card: ModelCard) -> str:
    rows = [
        (name, _describe_usual(column), format_share(column.shares[-1], 1), column.threshold)
        for name, column in card.reference.columns.items()
    ]
    return render_markdown(build_table(("column", "usual", "missing", "threshold"), rows))


def _describe_seasons(card: ModelCard) -> str:
    if not any(column.seasons for column in card.reference.columns.values()):
        return ""
    return " It is the smaller PSI of two: against recent windows, and against the same season."


def _describe_usual(column: ColumnProfile) -> str:
    """Describe the middle 80% of a numeric column, or the commonest values of a categorical one."""
    if isinstance(column.bins, CategoricalBins):
        top = column.bins.common[:3]
        shares = zip(top, column.shares, strict=False)
        return ", ".join(f"{value} {format_share(share)}" for value, share in shares)
    edges = column.bins.edges
    if len(edges) < 2:
        return "(always missing)"
    low, high = (edges[1], edges[-2]) if len(edges) > 3 else (edges[0], edges[-1])
    return f"{round(low, 9):.4g} to {high:.4g}"


def _describe_footprint(card: ModelCard) -> str:
    footprint = card.footprint
    return (
        f"{format_count(footprint.bytes)} bytes; one row {footprint.latency_p50_us:.0f} µs (p99 "
        f"{footprint.latency_p99_us:.0f} µs); {format_count(footprint.rows_per_second)} rows/s "
        f"with one thread; peak memory {footprint.peak_memory_mib:.0f} MiB in a fresh process. "
        f"Predictions differ from scikit-learn's by at most {card.parity:.1e}; no decision differs."
    )


def _describe_reproduction(card: ModelCard, history: VersionHistory | None) -> str:
    version = history.version if history else "VERSION"
    packages = ", ".join(f"{name} {number}" for name, number in card.environment.items())
    inputs = ", ".join(card.inputs.inputs)
    return f"""{format_code(f"mainspring reproduce {card.use_case} {version}")} trains the version \
again from the table versions above, code {format_code(card.revision)} and seed {card.seed}. \
Then it compares the predictions.

- made with: {escape_markdown(packages or "(not recorded)")}
- inputs: {escape_markdown(inputs)}
- ONNX file: sha256 {format_code(card.digest)}
- one-file model of MLflow: sha256 {format_code(card.one_file_digest or "(not recorded)")}"""
