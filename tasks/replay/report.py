"""A replay as one HTML file that needs nothing else, with the picture beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tasks.replay import tables
from tasks.replay.chart import draw_replay_chart
from tasks.replay.compare import PolicyComparison
from tasks.replay.run import Replay
from tasks.reporting.html import render_html
from tasks.reporting.markdown import inline_image, markdown_table


def write_replay_page(
    replay: Replay,
    found: PolicyComparison,
    spent: Mapping[str, Mapping[str, float]],
    phases: Mapping[str, float],
) -> Path:
    """Write replay.html and replay.png into the replay's folder; the page."""
    picture = draw_replay_chart(replay, found, replay.folder / "replay.png")
    text = _text(replay, found, spent, phases, inline_image(picture.read_bytes()))
    path = replay.folder / "replay.html"
    path.write_text(render_html(text, f"{replay.plan.use_case.name}: policies replayed"))
    return path


def _text(
    replay: Replay,
    found: PolicyComparison,
    spent: Mapping[str, Mapping[str, float]],
    phases: Mapping[str, float],
    picture: str,
) -> str:
    title = replay.plan.use_case.title
    weeks = "\n\n".join(
        f"### {tables.policy_title(subject)}\n"
        f"{markdown_table(tables.week_rows(found, replay, subject))}"
        for subject in found.subjects
    )
    stories = "\n\n".join(
        f"### {of.policy}: {of.title}\n{markdown_table(tables.ledger_rows(found, of.policy))}"
        for of in found.outcomes
    )
    beware = "\n".join(f"- {said}" for said in tables.list_warnings(found))
    return (
        f"# Policies replayed: {title}\n\n{tables.describe_period(replay)}\n\n"
        "## What each policy came to\n"
        f"{markdown_table(tables.outcome_rows(replay, found, spent))}\n\n{beware}\n\n"
        f"![by week]({picture})\n\n"
        f"## Policies against each other\n{markdown_table(tables.difference_rows(found))}\n\n"
        f"## By week\n{weeks}\n\n## What happened\n{stories}\n\n"
        f"## Where the time went\nCPU seconds by kind of work; {tables.format_seconds(phases)}.\n\n"
        f"{markdown_table(tables.timing_rows(spent))}\n"
    )
