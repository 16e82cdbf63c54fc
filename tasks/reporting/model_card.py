"""The card's page: what a version is and what became of it, as Markdown and one HTML file.

The page is made from the card and the ledger alone, so it can be made again at any time; it is
made anew whenever the ledger says something new about the version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from configs.settings import settings
from tasks.ledger.descriptions import (
    describe_event,
    describe_evidence,
    describe_standing,
    entries_about,
    gate_rows,
)
from tasks.ledger.log import Entry
from tasks.models.card import ModelCard
from tasks.reporting.html import render_html
from tasks.reporting.markdown import inline_image, markdown_table
from tasks.reporting.model_card_charts import draw_card_charts
from tasks.reporting.model_card_text import VersionHistory, card_markdown
from tasks.storage import files


@dataclass(frozen=True)
class CardPage:
    """The addresses of a card's page, Markdown beside its pictures and HTML that holds them; and
    its text, Markdown that holds them too.
    """

    markdown: str
    html: str
    text: str


def version_history(entries: Sequence[Entry], version: int) -> VersionHistory:
    """What the ledger says of a version: where it stands, its entries, every table of gates."""
    own = entries_about(entries, version)
    rows = [
        {"when (UTC)": f"{e.at:%Y-%m-%d %H:%M}", "what": describe_event(e),
         "why": describe_evidence(e), "by": e.actor}
        for e in own
    ]  # fmt: skip
    gates = "\n\n".join(
        f"### {describe_event(e)}, {e.at:%Y-%m-%d}\n{markdown_table(lines)}"
        for e in own
        if (lines := [_mark_verdict(line) for line in gate_rows(e.evidence)])
    )
    told = f"## Story\n{markdown_table(rows)}\n\n## Gates\n{gates or 'No gate was asked yet.'}\n"
    return VersionHistory(version, describe_standing(entries, version), told)


def _mark_verdict(line: dict[str, str]) -> dict[str, str]:
    """A line of gates whose verdict is seen at a glance."""
    marks = {"pass": "✓ pass", "fail": "✗ **fail**", "wait": "… **wait**"}
    return line | {"verdict": marks.get(line["verdict"], line["verdict"])}


def write_card_page(card: ModelCard, version: int, entries: Sequence[Entry]) -> CardPage:
    """Write reports/<use case>/models/v<version>.md and .html, and the pictures they show."""
    folder = f"{settings().reports}/{card.use_case}/models"
    pictures, what = draw_card_charts(card, f"{folder}/pictures"), version_history(entries, version)
    beside = {name: address.removeprefix(f"{folder}/") for name, address in pictures.items()}
    inside = {name: inline_image(files.read_file(address)) for name, address in pictures.items()}
    found = CardPage(f"{folder}/v{version}.md", f"{folder}/v{version}.html",
                 card_markdown(card, what, inside))  # fmt: skip
    files.write_file(found.markdown, card_markdown(card, what, beside).encode())
    html = render_html(found.text, f"{card.use_case} version {version}")
    files.write_file(found.html, html.encode())
    return found
