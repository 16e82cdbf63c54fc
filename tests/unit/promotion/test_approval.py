"""A person's answer: who and why are kept, the first one counts, and when it was given."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from configs.errors import Terminal
from tasks.ledger.projections import list_unanswered
from tasks.promotion.approval import ApprovalAnswer, record_approval
from tests.support.candidates import NAME, day, record

YES = ApprovalAnswer(approve=True, by="ada", why="looks right")
NO = ApprovalAnswer(approve=False, by="bob", why="not before the holidays")


def test_who_and_why_go_to_the_ledger_and_ask_for_the_next_step(book):
    asked = record(book, "approval_asked", "approval_asked:2", day(1), 2)
    entry, mine = record_approval(book, NAME, 2, YES, asked.recorded)
    assert mine
    assert (entry.what, entry.key, entry.version) == ("approved", "approval:2", 2)
    assert (entry.actor, entry.evidence["reason"]) == ("ada", "looks right")
    assert list_unanswered(book.entries(NAME)) == [entry]


def test_the_first_answer_counts(book):
    asked = record(book, "approval_asked", "approval_asked:2", day(1), 2)
    first, _ = record_approval(book, NAME, 2, NO, asked.recorded)
    assert record_approval(book, NAME, 2, YES, asked.recorded) == (first, False)
    assert first.what == "rejected"


def test_it_comes_as_long_after_the_ask_as_it_really_took(book):
    asked = record(book, "approval_asked", "approval_asked:2", day(1), 2)
    waited = timedelta(hours=30)
    assert record_approval(book, NAME, 2, YES, asked.recorded + waited)[0].at == day(1) + waited


def test_what_nobody_asked_for_cannot_be_answered(book):
    with pytest.raises(Terminal, match="version 2 is not waiting for approval"):
        record_approval(book, NAME, 2, YES, day(1))


@pytest.mark.parametrize("missing", ["by", "why"])
def test_the_form_asks_who_and_why(missing):
    with pytest.raises(ValidationError):
        ApprovalAnswer(**{"approve": True, "by": "ada", "why": "-", missing: ""})
