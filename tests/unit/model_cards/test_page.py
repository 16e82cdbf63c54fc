"""The card's page holds all of it, in one file, and says what became of the version."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from configs.settings import settings
from tasks.model_cards.page import write_card_page
from tasks.models.card import ModelCard
from tests.support.artifacts import fit_artifact
from tests.support.flights import quick_use_case


@pytest.fixture(scope="module")
def card() -> ModelCard:
    made = fit_artifact(quick_use_case(), "logistic", tables={"raw/schedules": 3}).card
    return made.model_copy(update={"title": "Late <b>or</b> not?"})


class PageReader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.sources, self.links, self.text = [], [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name == "src"]
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.text += data


def test_the_page_is_one_file_with_everything(home, card, version_story):
    found = write_card_page(card, 2, version_story)
    reader = PageReader()
    reader.feed(Path(found.html).read_text())
    assert len(reader.sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in reader.sources)
    assert [link.partition("#")[0] for link in reader.links[:2]] == [
        settings().mlflow_url + "/"
    ] * 2
    assert reader.links[-1] == "v1.html"
    assert "script" not in reader.tags
    assert "b" not in reader.tags, "what a YAML says is text, never HTML"
    for said in ("Late <b>or</b> not?", "Version 2 is champion since", "AUC fell", "✗ fail",
                 "0.71 | 0.70", "mainspring reproduce flights 2", card.digest):  # fmt: skip
        assert said in reader.text
    assert "another cause" not in reader.text


def test_write_card_page_shows_hostile_text_as_text(home, card, version_story):
    hostile = "eve[/] ![](http://x/y) </script><script>alert(1)</script> a|b `c`"
    refused = replace(
        version_story[-1],
        what="refused",
        key="x",
        actor=hostile,
        evidence={"reason": hostile},
        seq=9,
    )
    titled = card.model_copy(update={"title": hostile})
    reader = PageReader()
    reader.feed(Path(write_card_page(titled, 2, [*version_story, refused]).html).read_text())
    assert all(source.startswith("data:image/png;base64,") for source in reader.sources)
    assert not [link for link in reader.links if "x/y" in link]
    assert not {"script", "code-block"} & set(reader.tags)
    assert reader.text.count(hostile) >= 4, "title, limit, reason and actor"


def test_write_card_page_draws_charts_once(home, card, version_story):
    first = write_card_page(card, 2, version_story[:4])
    shown = Path(first.markdown).read_text()
    pictures = sorted((Path(first.markdown).parent / "pictures").iterdir())
    assert [f"(pictures/{path.name})" in shown for path in pictures] == [True] * 3
    times = [path.stat().st_mtime_ns for path in pictures]
    assert "No gate decision yet" in shown
    again = write_card_page(card, 2, version_story)
    assert "No gate decision yet" not in Path(again.markdown).read_text()
    assert [path.stat().st_mtime_ns for path in pictures] == times
