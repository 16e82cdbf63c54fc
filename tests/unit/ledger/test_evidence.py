"""Typed evidence: what is written, what is read, and what is kept."""

from typing import get_args

import pytest

from tasks.ledger.evidence import (
    EVIDENCE,
    EpisodeOpened,
    Reason,
    Refused,
    StepAsked,
    join_cause,
    merge_evidence,
    read_evidence,
    split_cause,
)
from tasks.ledger.log import Entry, EntryKind
from tests.support.ledger_entries import START


def test_every_kind_of_entry_has_its_evidence():
    assert {*EVIDENCE} == {*get_args(EntryKind)}


def test_evidence_writes_only_given_fields_and_keeps_unknown_ones():
    assert Reason(reason="too few rows").to_json() == {"reason": "too few rows"}
    old = Reason.model_validate({"reason": "x", "of_an_older_version": 1})
    assert old.to_json() == {"reason": "x", "of_an_older_version": 1}


def test_read_evidence_refuses_the_class_of_another_kind():
    refused = Entry("m", "refused", "decision:1", START, "test", 1, {"reason": "worse"})
    assert read_evidence(refused, Refused).reason == "worse"
    for wrong in (StepAsked, EpisodeOpened):
        with pytest.raises(TypeError, match=f"`refused`, which has no evidence {wrong.__name__}"):
            read_evidence(refused, wrong)


def test_merge_evidence_takes_the_later_value():
    merged = merge_evidence(Refused, Reason(reason="first"), Reason(reason="second"))
    assert merged.to_json() == {"reason": "second"}


def test_split_cause_returns_what_join_cause_took():
    assert split_cause(join_cause("drift", "a:b")) == ("drift", "a:b")
