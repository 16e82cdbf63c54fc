"""The card's page holds all of it, in one file, and says what became of the version."""

from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tasks.ledger.descriptions import (
    describe_event,
    describe_standing,
    entries_about,
    versions_concerned,
)
from tasks.ledger.log import Entry
from tasks.models.card import ModelCard
from tasks.reporting.model_card import write_card_page
from tasks.training.build_card import build_model_card
from tasks.training.fit import fit_candidate, split_training_rows
from tasks.training.onnx_export import export_candidate
from tests.support.flights import END, january, quick_use_case

GATES = [
    {"gate": "roc_auc", "asked": "superiority", "measured": "0.71 | 0.70", "verdict": "pass"},
    {"gate": "cost", "asked": "no worse", "measured": "0.5", "verdict": "fail"},
]


@pytest.fixture(scope="module")
def card() -> ModelCard:
    use_case = quick_use_case()
    parts = split_training_rows(use_case, january(), END)
    exported = export_candidate(use_case, fit_candidate(use_case, "logistic", parts), parts)
    made = build_model_card(use_case, parts, [exported.fitted], exported, {"raw/schedules": 3})
    return made.model_copy(update={"title": "Late <b>or</b> not?"})


@pytest.fixture
def entries() -> list[Entry]:
    def entry(what, key, version, days, **evidence):
        at = END + timedelta(days=days)
        return Entry("flights", what, key, at, "somebody", version, evidence, seq=days + 1)

    candidate = {
        "origin": "alert:a", "algorithm": "logistic", "rows": {"train": 9},
        "holdout": {"roc_auc": 0.7, "cost": 0.5},
    }  # fmt: skip
    return [
        entry("promoted", "decision:1", 1, 0, reason="the first"),
        entry("alert_raised", "alert:a", None, 1, message="AUC fell"),
        entry("alert_raised", "alert:b", None, 2, message="another cause"),
        entry("candidate_registered", "candidate:alert:a", 2, 3, **candidate),
        entry("promoted", "decision:2", 2, 4, reason="all gates passed", gates=GATES),
    ]


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.sources, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def test_the_page_is_one_file_with_everything(home, card, entries):
    found = write_card_page(card, 2, entries)
    reader = Reader()
    reader.feed(Path(found.html).read_text())
    assert len(reader.sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in reader.sources)
    assert "script" not in reader.tags
    assert "b" not in reader.tags, "what a YAML says is text, never HTML"
    for said in ("Late <b>or</b> not?", "Version 2 is champion since", "AUC fell", "✗ fail",
                 "0.71 | 0.70", "mainspring reproduce flights 2", card.digest):  # fmt: skip
        assert said in reader.text
    assert "another cause" not in reader.text


def test_markdown_stands_beside_its_pictures_which_are_drawn_once(home, card, entries):
    first = write_card_page(card, 2, entries[:4])
    shown = Path(first.markdown).read_text()
    pictures = sorted((Path(first.markdown).parent / "pictures").iterdir())
    assert [f"(pictures/{path.name})" in shown for path in pictures] == [True] * 3
    times = [path.stat().st_mtime_ns for path in pictures]
    assert "No gate decision yet" in shown
    again = write_card_page(card, 2, entries)
    assert "No gate decision yet" not in Path(again.markdown).read_text()
    assert [path.stat().st_mtime_ns for path in pictures] == times


def test_whose_pages_an_entry_changes(entries):
    promoted = replace(entries[-1], what="promoted", version=2, evidence={"champion_version": 1})
    assert versions_concerned(promoted) == [2, 1]
    assert versions_concerned(replace(promoted, evidence={"champion_version": None})) == [2]
    assert versions_concerned(replace(promoted, what="refused")) == [2]
    assert versions_concerned(
        replace(promoted, what="rolled_back", version=1, evidence={"loser": 2})
    ) == [
        1,
        2,
    ]
    assert describe_standing([*entries, replace(promoted, seq=9)], 1).endswith(
        f"{describe_event(promoted)}, {promoted.at:%Y-%m-%d}."
    )


def test_a_version_that_was_undone_says_so(entries):
    undone = Entry("flights", "rolled_back", "rollback:5", END + timedelta(days=9), "bake", 1,
                   {"loser": 2, "reason": "dearer"}, 6)  # fmt: skip
    story = [*entries, undone]
    assert entries_about(story, 2)[-1] == undone
    assert (
        describe_standing(entries, 1) == "Version 1 is not champion; last: promoted v1, 2013-01-21."
    )
    assert describe_standing(story, 1).startswith("Version 1 is champion since 2013-01-30")
    assert "last: rolled back to v1, 2013-01-30" in describe_standing(story, 2)
    assert "not in the ledger" in describe_standing([replace(undone, version=7)], 3)
