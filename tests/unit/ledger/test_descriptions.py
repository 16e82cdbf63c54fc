"""Descriptions of entries: what concerns a version, and where it stands."""

from dataclasses import replace
from datetime import timedelta

from tasks.ledger.descriptions import (
    describe_event,
    describe_standing,
    entries_about,
    versions_concerned,
)
from tasks.ledger.log import Entry
from tests.support.flights import END


def test_whose_pages_an_entry_changes(version_story):
    promoted = replace(
        version_story[-1], what="promoted", version=2, evidence={"champion_version": 1}
    )
    assert versions_concerned(promoted) == [2, 1]
    assert versions_concerned(replace(promoted, evidence={"champion_version": None})) == [2]
    assert versions_concerned(replace(promoted, what="refused")) == [2]
    assert versions_concerned(
        replace(promoted, what="rolled_back", version=1, evidence={"loser": 2})
    ) == [
        1,
        2,
    ]
    assert describe_standing([*version_story, replace(promoted, seq=9)], 1).endswith(
        f"{describe_event(promoted)}, {promoted.at:%Y-%m-%d}."
    )


def test_a_version_that_was_undone_says_so(version_story):
    undone = Entry("flights", "rolled_back", "rollback:5", END + timedelta(days=9), "bake", 1,
                   {"loser": 2, "reason": "dearer"}, 6)  # fmt: skip
    story = [*version_story, undone]
    assert entries_about(story, 2)[-1] == undone
    assert (
        describe_standing(version_story, 1)
        == "Version 1 is not champion; last: promoted v1, 2013-01-21."
    )
    assert describe_standing(story, 1).startswith("Version 1 is champion since 2013-01-30")
    assert "last: rolled back to v1, 2013-01-30" in describe_standing(story, 2)
    assert "not in the ledger" in describe_standing([replace(undone, version=7)], 3)
