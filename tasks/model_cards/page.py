"""Model card page: a version and its history, as Markdown and one HTML file.

The page is made from the card and the ledger alone, so it can be made again at any time. It is
made again whenever the ledger has a new entry about the version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from configs.settings import settings
from tasks.ledger.descriptions import describe_standing, entries_about
from tasks.ledger.log import Entry
from tasks.model_cards.charts import draw_card_charts
from tasks.model_cards.text import VersionHistory, render_card
from tasks.models.card import ModelCard
from tasks.reporting.feedback_tables import list_feedback_examples, tabulate_feedback
from tasks.reporting.html import render_html
from tasks.reporting.ledger_tables import tabulate_gates, tabulate_version
from tasks.reporting.markdown import escape_markdown, inline_image, render_markdown
from tasks.storage import files


@dataclass(frozen=True)
class CardPage:
    """The addresses of a card's page in Markdown and HTML and of its pictures, and its text.

    The Markdown file refers to its pictures; the HTML file and the text contain them.
    """

    markdown: str
    html: str
    text: str
    pictures: Mapping[str, str]


def describe_version_history(
    entries: Sequence[Entry], version: int, feedback: pl.DataFrame | None = None
) -> VersionHistory:
    """Return a version's standing, and its entries, gate tables and feedback in Markdown."""
    own = entries_about(entries, version)
    gates = "\n\n".join(
        f"### {escape_markdown(table.title)}\n{render_markdown(table)}"
        for entry in own
        if (table := tabulate_gates(entry)) is not None
    )
    story = (
        f"## Story\n{render_markdown(tabulate_version(own))}\n\n"
        f"## Gates\n{gates or 'No gate decision yet.'}\n{_describe_feedback(feedback, version)}"
    )
    return VersionHistory(version, describe_standing(entries, version), story)


def _describe_feedback(feedback: pl.DataFrame | None, version: int) -> str:
    """Return what callers said of a version's predictions in Markdown; empty if they said nothing.

    Args:
        feedback: as `read_feedback` returns it; None if the use case takes none.
        version: the version.
    """
    if feedback is None or feedback.is_empty():
        return ""
    own = feedback.filter(model_version=version)
    tables = [tabulate_feedback(own), list_feedback_examples(own)]
    shown = "\n\n".join(render_markdown(table) for table in tables if table is not None)
    return f"\n## Feedback\n{shown or 'Callers said nothing of this version.'}\n"


def card_address(use_case: str, version: int) -> str:
    """Return the address of a version's card as JSON, which the overview reads."""
    return f"{settings().reports}/{use_case}/models/v{version}.json"


def write_card_page(
    card: ModelCard, version: int, entries: Sequence[Entry], feedback: pl.DataFrame | None = None
) -> CardPage:
    """Write v<version>.md, .html, .json of reports/<use case>/models, and their pictures.

    Args:
        card: the card of the version.
        version: its number.
        entries: the ledger's entries.
        feedback: what callers said, as `read_feedback` returns it.
    """
    folder = f"{settings().reports}/{card.use_case}/models"
    files.write_file(card_address(card.use_case, version), card.model_dump_json().encode())
    pictures = draw_card_charts(card, f"{folder}/pictures")
    history = describe_version_history(entries, version, feedback)
    linked = {name: address.removeprefix(f"{folder}/") for name, address in pictures.items()}
    inlined = {name: inline_image(files.read_file(address)) for name, address in pictures.items()}
    text = render_card(card, history, inlined)
    page = CardPage(f"{folder}/v{version}.md", f"{folder}/v{version}.html", text, pictures)
    files.write_file(page.markdown, render_card(card, history, linked).encode())
    html = render_html(page.text, f"{card.use_case} version {version}")
    files.write_file(page.html, html.encode())
    return page
