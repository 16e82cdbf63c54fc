"""A rollback: once, only of the current promotion, and never to a version that was undone."""

import pytest

from configs.errors import NoChampion, Terminal
from tasks.ledger.evidence import RolledBack
from tasks.ledger.log import Ledger
from tasks.ledger.projections import find_champion, list_standing_promotions, list_unanswered
from tasks.promotion.rollback import roll_back, roll_back_by_hand
from tests.support.candidates import NAME, day, record


@pytest.fixture
def book(tmp_path):
    """Versions 1, 2 and 3, each champion after the other."""
    book = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    for version in (1, 2, 3):
        record(book, "promoted", f"decision:{version}", day(version), version)
    return book


def undo(book, promotion, at=9):
    return roll_back(book, NAME, promotion, day(at), "rollback 1", RolledBack(reason="worse"))


def roll_back_to(book, at=9, **options):
    return roll_back_by_hand(book, NAME, day(at), "ada", "complaints", **options)


def reigns(book, at=None):
    return find_champion(book.entries(NAME), at).version


def test_the_champion_before_reigns_again_from_then_on(book):
    asked = record(book, "rollback_asked", "undo:3", day(9), 3, promotion="decision:3")
    assert list_unanswered(book.entries(NAME)) == [asked]
    entry = undo(book, "decision:3")
    assert (entry.key, entry.version, entry.at) == ("rollback:3", 2, day(9))
    assert entry.evidence == {"loser": 3, "promotion": "decision:3", "reason": "worse"}
    assert (reigns(book, day(8)), reigns(book)) == (3, 2)
    assert list_unanswered(book.entries(NAME)) == []


def test_twice_is_as_once(book):
    first = undo(book, "decision:3")
    assert undo(book, "decision:3", at=12) == first
    assert len(book.entries(NAME)) == 4


def test_roll_back_of_a_former_champion_changes_nothing(book):
    record(book, "rollback_asked", "undo:3", day(9), 3, promotion="decision:3")
    record(book, "promoted", "decision:4", day(9), 4)
    assert undo(book, "decision:3") is None
    assert reigns(book) == 4
    assert list_unanswered(book.entries(NAME)) == []


def test_it_is_never_before_the_promotion(book):
    assert undo(book, "decision:3", at=0).at == day(3)


def test_after_a_rollback_the_next_one_goes_past_the_loser(book):
    """3 is undone, 4 takes over from 2 and is undone: 2 reigns, not 3."""
    undo(book, "decision:3")
    record(book, "promoted", "decision:4", day(10), 4)
    assert undo(book, "decision:4", at=11).version == 2
    assert [e.version for e in list_standing_promotions(book.entries(NAME))] == [1, 2]


def test_by_hand_says_who_and_why_and_twice_is_as_once(book):
    entry = roll_back_to(book)
    assert (entry.version, entry.actor) == (2, "ada")
    assert (entry.evidence["reason"], entry.evidence["by_hand"]) == ("complaints", True)
    assert roll_back_to(book, at=10) == entry
    assert roll_back_to(book, at=11, further=True).version == 1


def test_there_is_nothing_before_the_first_champion(book):
    roll_back_to(book)
    roll_back_to(book, further=True)
    with pytest.raises(Terminal, match="version 1 is the first champion"):
        roll_back_to(book, further=True)


def test_an_unknown_promotion_and_an_empty_ledger_are_named(book, tmp_path):
    with pytest.raises(Terminal, match="no promotion 'decision:9'"):
        undo(book, "decision:9")
    with pytest.raises(NoChampion):
        roll_back_to(Ledger(f"sqlite:///{tmp_path / 'empty.db'}"))
