"""A replay as one HTML file that needs nothing else, with the picture beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tasks.card_page import as_html
from tasks.markdown import inline, table
from tasks.replay import told
from tasks.replay.compare import Compared
from tasks.replay.picture import draw
from tasks.replay.replay import Replay


def write_page(
    replay: Replay,
    found: Compared,
    spent: Mapping[str, Mapping[str, float]],
    phases: Mapping[str, float],
) -> Path:
    """Write replay.html and replay.png into the replay's folder; the page."""
    picture = draw(replay, found, replay.folder / "replay.png")
    text = _text(replay, found, spent, phases, inline(picture.read_bytes()))
    path = replay.folder / "replay.html"
    path.write_text(as_html(text, f"{replay.plan.use_case.name}: policies replayed"))
    return path


def _text(
    replay: Replay,
    found: Compared,
    spent: Mapping[str, Mapping[str, float]],
    phases: Mapping[str, float],
    picture: str,
) -> str:
    title = replay.plan.use_case.title
    weeks = "\n\n".join(
        f"### {told.name_of(subject)}\n{table(told.weeks(found, replay, subject))}"
        for subject in found.subjects
    )
    stories = "\n\n".join(
        f"### {of.policy}: {of.title}\n{table(told.happened(found, of.policy))}"
        for of in found.outcomes
    )
    beware = "\n".join(f"- {said}" for said in told.warnings(found))
    return (
        f"# Policies replayed: {title}\n\n{told.period(replay)}\n\n"
        f"## What each policy came to\n{table(told.outcomes(replay, found, spent))}\n\n{beware}\n\n"
        f"![by week]({picture})\n\n"
        f"## Policies against each other\n{table(told.differences(found))}\n\n"
        f"## By week\n{weeks}\n\n## What happened\n{stories}\n\n"
        f"## Where the time went\nCPU seconds by kind of work; {told.clock(phases)}.\n\n"
        f"{table(told.timing(spent))}\n"
    )
