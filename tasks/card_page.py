"""The card's page: what a version is and what became of it, as Markdown and one HTML file.

The page is made from the card and the ledger alone, so it can be made again at any time; it is
made anew whenever the ledger says something new about the version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from prefect.artifacts import create_markdown_artifact

from configs.s3_errors import told
from configs.settings import settings
from configs.use_case import UseCase
from tasks import files
from tasks.card import Card
from tasks.card_plots import draw
from tasks.card_text import Became, markdown
from tasks.ledger import Entry, champion, ledger
from tasks.markdown import inline, table
from tasks.promotion import gate_table
from tasks.registry import open_model
from tasks.story import happened, summary
from tasks.tracking import connect

_STYLE = """
:root { color-scheme: light dark; --ink: #24292f; --soft: #667080; --line: #d8dee4;
  --paper: #ffffff; --band: #f6f8fa; --link: #0a5bb5; }
@media (prefers-color-scheme: dark) { :root { --ink: #dfe3e8; --soft: #97a1ad; --line: #363d46;
  --paper: #14181d; --band: #1c2128; --link: #6cb0f5; } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2.2rem 1.4rem 4rem; max-width: 62rem; background: var(--paper);
  color: var(--ink); font: 15px/1.55 system-ui, sans-serif }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1rem }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; padding-top: 1rem;
  border-top: 1px solid var(--line) }
h3 { font-size: 1rem; margin: 1.5rem 0 .4rem }
p, ul { margin: .5rem 0 } li { margin: .2rem 0 }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: 13px;
  margin: .7rem 0; font-variant-numeric: tabular-nums }
th { text-align: left; color: var(--soft); font-weight: 600 }
th, td { padding: .28rem .8rem .28rem .5rem; border-bottom: 1px solid var(--line);
  vertical-align: top }
tbody tr:nth-child(even) { background: var(--band) }
code { font: 12.5px ui-monospace, monospace; background: var(--band); padding: .1em .3em;
  border-radius: 4px; overflow-wrap: anywhere }
img { max-width: 100%; border-radius: 6px; background: #ffffff }
a { color: var(--link) }
"""


@dataclass(frozen=True)
class Page:
    """The addresses of a card's page, Markdown beside its pictures and HTML that holds them; and
    its text, Markdown that holds them too.
    """

    markdown: str
    html: str
    text: str


def became(entries: Sequence[Entry], version: int) -> Became:
    """What the ledger says of a version: where it stands, its entries, every table of gates."""
    own = about(entries, version)
    rows = [
        {"when (UTC)": f"{e.at:%Y-%m-%d %H:%M}", "what": happened(e), "why": summary(e),
         "by": e.actor}
        for e in own
    ]  # fmt: skip
    gates = "\n\n".join(
        f"### {happened(e)}, {e.at:%Y-%m-%d}\n{table(lines)}"
        for e in own
        if (lines := [_marked(line) for line in gate_table(e.evidence)])
    )
    told = f"## Story\n{table(rows)}\n\n## Gates\n{gates or 'No gate was asked yet.'}\n"
    return Became(version, standing(entries, version), told)


def _marked(line: dict[str, str]) -> dict[str, str]:
    """A line of gates whose verdict is seen at a glance."""
    marks = {"pass": "✓ pass", "fail": "✗ **fail**", "wait": "… **wait**"}
    return line | {"verdict": marks.get(line["verdict"], line["verdict"])}


def about(entries: Sequence[Entry], version: int) -> list[Entry]:
    """The entries that a version has a part in: its own, what asked for it, and who came after."""
    origins = {e.evidence.get("origin") for e in entries if e.version == version}
    return [e for e in entries if version in concerned(e) or e.key in origins]


def concerned(entry: Entry) -> list[int]:
    """The versions that an entry is about: its own, and the one that lost the champion's place."""
    lost = {"promoted": "champion_version", "rolled_back": "loser"}.get(entry.what, "")
    versions = (entry.version, entry.evidence.get(lost))
    return [version for version in versions if version is not None]


def standing(entries: Sequence[Entry], version: int) -> str:
    """Where a version stands, in one line: champion, or what happened to it last."""
    reigning = champion(entries)
    if reigning is not None and reigning.version == version:
        return f"Version {version} is champion since {reigning.at:%Y-%m-%d %H:%M} UTC."
    own = about(entries, version)
    last = f"{happened(own[-1])}, {own[-1].at:%Y-%m-%d}" if own else "not in the ledger"
    return f"Version {version} is not champion; last: {last}."


def as_html(text: str, title: str) -> str:
    """Markdown as one HTML file that needs nothing else."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}</body>\n</html>\n"
    )


def write_page(card: Card, version: int, entries: Sequence[Entry]) -> Page:
    """Write reports/<use case>/models/v<version>.md and .html, and the pictures they show."""
    folder = f"{settings().reports}/{card.use_case}/models"
    pictures, what = draw(card, f"{folder}/pictures"), became(entries, version)
    beside = {name: address.removeprefix(f"{folder}/") for name, address in pictures.items()}
    inside = {name: inline(files.read(address)) for name, address in pictures.items()}
    found = Page(f"{folder}/v{version}.md", f"{folder}/v{version}.html",
                 markdown(card, what, inside))  # fmt: skip
    files.write(found.markdown, markdown(card, what, beside).encode())
    html = as_html(found.text, f"{card.use_case} version {version}")
    files.write(found.html, html.encode())
    return found


def publish_cards(use_case: UseCase, entry: Entry) -> None:
    """As `publish_card`, for the versions that an entry is about; its own comes last, on top."""
    for version in reversed(concerned(entry)):
        publish_card(use_case, version)


def publish_card(use_case: UseCase, version: int) -> Page:
    """Make a version's page anew, beside the run in Prefect and with the version's run in MLflow.

    To be called in a flow or a task; called again it replaces what it wrote.
    """
    card = open_model(use_case.name, version).card
    found = write_page(card, version, ledger().entries(use_case.name))
    key = f"model-card-{use_case.slug}"
    create_markdown_artifact(found.text, key=key, description=f"version {version}")
    client = connect()
    run_id = client.get_model_version(use_case.name, str(version)).run_id
    page = files.read(found.html).decode()
    with told(settings().mlflow_artifacts):
        client.log_text(run_id, page, f"card/v{version}.html")
    return found
