"""Report of a replay: one self-contained HTML file, with the chart beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tasks.replay import tables
from tasks.replay.chart import draw_replay_chart
from tasks.replay.compare import PolicyComparison
from tasks.replay.run import Replay
from tasks.replay.tables import CpuSeconds
from tasks.reporting.html import render_html
from tasks.reporting.markdown import escape_markdown, inline_image, render_markdown


def write_replay_page(
    replay: Replay, comparison: PolicyComparison, spent: CpuSeconds, phases: Mapping[str, float]
) -> Path:
    """Write replay.html and replay.png into the folder of the comparison; return the page.

    Args:
        replay: A finished replay.
        comparison: Its results.
        spent: CPU seconds of each policy, by kind of work.
        phases: Seconds of wall time of each phase.
    """
    picture = draw_replay_chart(replay, comparison, replay.comparison_folder / "replay.png")
    image = inline_image(picture.read_bytes())
    text = "\n\n".join(
        [
            *_render_head(replay, comparison, spent, image),
            *_render_details(replay, comparison),
            f"## CPU time\nCPU seconds by kind of work; {tables.describe_phases(phases)}.",
            render_markdown(tables.tabulate_cpu_seconds(spent)),
        ]
    )
    path = replay.comparison_folder / "replay.html"
    path.write_text(render_html(f"{text}\n", f"{replay.plan.use_case.name}: policies replayed"))
    return path


def _render_head(
    replay: Replay, comparison: PolicyComparison, spent: CpuSeconds, image: str
) -> list[str]:
    warnings = (f"- {escape_markdown(warning)}" for warning in tables.list_warnings(comparison))
    outcomes = tables.tabulate_outcomes(replay, comparison, spent)
    return [
        f"# Policies replayed: {escape_markdown(replay.plan.use_case.title)}",
        escape_markdown(tables.describe_period(replay)),
        f"## Results by policy\n{render_markdown(outcomes)}",
        "\n".join(warnings),
        f"![by week]({image})",
        f"## Differences\n{render_markdown(tables.tabulate_differences(comparison))}",
    ]


def _render_details(replay: Replay, comparison: PolicyComparison) -> list[str]:
    weeks = [tables.tabulate_weeks(comparison, replay, subject) for subject in comparison.subjects]
    return [
        "## By week",
        *(f"### {escape_markdown(week.title)}\n{render_markdown(week)}" for week in weeks),
        "## Alerts and decisions",
        *(
            f"### {escape_markdown(f'{outcome.policy}: {outcome.title}')}\n"
            f"{render_markdown(tables.tabulate_decisions(comparison, outcome.policy))}"
            for outcome in comparison.outcomes
        ),
    ]
