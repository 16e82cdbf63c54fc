"""Charts of a model card: calibration, importance and drift thresholds, from the card alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tasks.evaluation.problem_types import recorded_problem_type
from tasks.models.card import ModelCard
from tasks.reporting.chart_style import (
    INK,
    SEVERITY_COLOURS,
    create_figure,
    tidy_axes,
    to_png,
)
from tasks.reporting.problem_type_text import problem_type_text
from tasks.storage import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes


BLUE = "#4878a8"
_BARS = 30
_MOST_PARAMETERS = 4  # of a search, side by side


def draw_card_charts(card: ModelCard, folder: str) -> dict[str, str]:
    """Draw the card's charts as PNG; return their addresses by name.

    A chart that exists for the same ONNX file is not drawn again.

    Args:
        card: The card of a model.
        folder: Address of the folder to write to.
    """
    painters: dict[str, Callable[[Axes, ModelCard], None]] = {"calibration": _draw_calibration}
    if card.importance:
        painters["importance"] = _draw_importance
    painters["drift"] = _draw_drift
    if card.search is not None:
        painters |= {"search": _draw_search, "search-parameters": _draw_search_parameters}
    addresses = {name: f"{folder}/{card.digest[:12]}-{name}.png" for name in painters}
    for name, address in addresses.items():
        if not files.file_exists(address):
            height = _find_height(name, card)
            figure = create_figure(figsize=(7.2, height))  # a layout engine would draw it all twice
            left = 0.11 if name == "calibration" else 0.27
            figure.subplots_adjust(left, 0.5 / height, 0.97, 1 - 0.35 / height)
            painters[name](figure.add_subplot(), card)
            files.write_file(address, to_png(figure, dpi=100))
    return addresses


def _find_height(name: str, card: ModelCard) -> float:
    bars = {"importance": len(card.importance), "drift": len(card.reference.columns)}
    return 4.6 if name not in bars else 1.0 + 0.2 * min(bars[name], _BARS)


def _draw_calibration(axes: Axes, card: ModelCard) -> None:
    """Draw observed against predicted means; a calibrated model lies on the diagonal."""
    predicted = [part["predicted"] for part in card.calibration]
    observed = [part["observed"] for part in card.calibration]
    low = min(1.05 * min(*predicted, *observed), 0.0)
    top = 1.05 * max(*predicted, *observed, 0.0 if card.threshold is None else 0.05)
    axes.plot([low, top], [low, top], "--", color="#9aa2ad", linewidth=1)
    axes.plot(predicted, observed, "o-", color=BLUE, markersize=5)
    if isinstance(card.threshold, float):
        axes.axvline(card.threshold, color=SEVERITY_COLOURS["page"], linewidth=1, linestyle=":")
        axes.text(card.threshold, 0.98 * top, " flagged above",
                  color=SEVERITY_COLOURS["page"], fontsize=8, va="top")  # fmt: skip
    axes.set(xlim=(low, top), ylim=(low, top))
    names = problem_type_text(recorded_problem_type(card)).calibration_axes
    axes.set_xlabel(names[0], fontsize=9, color=INK)
    axes.set_ylabel(names[1], fontsize=9, color=INK)
    tidy_axes(axes, f"calibration on the holdout, {len(predicted)} bins of equally many rows")


def _draw_importance(axes: Axes, card: ModelCard) -> None:
    """Draw the mean size of each input's contribution, in points or the label's unit."""
    times, unit = problem_type_text(recorded_problem_type(card)).contribution_unit
    shown = list(card.importance.items())[:_BARS][::-1]
    axes.barh([name for name, _ in shown], [times * value for _, value in shown], color=BLUE)
    axes.tick_params(axis="y", length=0)
    axes.margins(y=0.01)
    tidy_axes(axes, f"mean size of an input's contribution, {unit}")


def _draw_drift(axes: Axes, card: ModelCard) -> None:
    """Draw each column's PSI threshold: a column drifts beyond it."""
    columns = sorted(card.reference.columns.items(), key=lambda item: item[1].threshold)[-_BARS:]
    axes.barh(
        [n for n, _ in columns], [c.threshold for _, c in columns], color=SEVERITY_COLOURS["ok"]
    )
    axes.set_xscale("log")
    axes.tick_params(axis="y", length=0)
    axes.margins(y=0.01)
    tidy_axes(axes, "drift thresholds (PSI, log scale)")


def _draw_search(axes: Axes, card: ModelCard) -> None:
    """Draw the metric of each trial of the search, and the best so far."""
    assert card.search is not None
    search, best = card.search, list[float]()
    choose = min if search.direction == "minimize" else max
    for trial in search.trials:
        best.append(choose([*best[-1:], *([] if trial.pruned else [trial.value])]))
    for pruned, colour in ((True, SEVERITY_COLOURS["ok"]), (False, BLUE)):
        points = [
            (number, trial.value)
            for number, trial in enumerate(search.trials)
            if trial.folds and trial.pruned == pruned
        ]
        label = "ended early" if pruned else "all folds"
        numbers, values = [point[0] for point in points], [point[1] for point in points]
        axes.scatter(numbers, values, s=18, color=colour, label=label)
    axes.step(range(len(best)), best, where="post", color=INK, linewidth=1, label="best so far")
    axes.legend(fontsize=8, frameon=False)
    tidy_axes(axes, f"{search.metric} of each trial, mean of its folds")


def _draw_search_parameters(axes: Axes, card: ModelCard) -> None:
    """Draw the metric of each complete trial against each parameter."""
    assert card.search is not None
    trials = [trial for trial in card.search.trials if not trial.pruned]
    names = list(trials[0].params)[:_MOST_PARAMETERS]
    axes.set_axis_off()
    for place, name in enumerate(names):
        panel = axes.inset_axes((place / len(names), 0, 0.85 / len(names), 1))
        values = [trial.params[name] for trial in trials]
        numbers = all(isinstance(value, int | float) for value in values)
        shown = values if numbers else [str(value) for value in values]
        panel.scatter(shown, [trial.value for trial in trials], s=18, color=BLUE)  # type: ignore[arg-type]
        tidy_axes(panel, name)
        panel.tick_params(labelsize=6.5)
