"""Typed evidence: old entries are read, and written back as they were."""

import json
import math
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from configs.settings import ROOT
from tasks.evaluation.bootstrap import Difference
from tasks.ledger.causes import join_cause, split_cause
from tasks.ledger.evidence import (
    EVIDENCE,
    CandidateRegistered,
    EpisodeClosed,
    EpisodeOpened,
    GateCheck,
    GateEvidence,
    Promoted,
    Reason,
    Refused,
    StepEvidence,
    merge_evidence,
    read_evidence,
)
from tasks.ledger.log import Entry, EntryKind
from tests.support.old_ledger import write_old_ledger


def test_every_kind_has_evidence_and_is_in_the_old_ledger(old_entries: list[Entry]) -> None:
    kinds = {*get_args(EntryKind)}
    assert {*EVIDENCE} == kinds
    assert {entry.what for entry in old_entries} <= kinds


def test_old_evidence_is_written_back_to_equal_json(tmp_path: Path) -> None:
    url = write_old_ledger(tmp_path / "old.db")
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        rows = database.execute("select what, evidence from ledger").fetchall()
    for what, written in rows:
        evidence = EVIDENCE[what].model_validate(json.loads(written))
        assert evidence.to_json() == json.loads(written)
        assert not evidence.model_extra, f"{what} has fields without a type"


def test_recorded_replays_are_read_and_written_back() -> None:
    for path in (ROOT / "tests" / "baseline" / "recorded").glob("*_ledger.json"):
        for row in json.loads(path.read_text()):
            for check in row["evidence"].get("gates", ()):
                check |= {"asked": "", "measured": ""}  # the recording leaves texts out
            evidence = EVIDENCE[row["what"]].model_validate(row["evidence"])
            assert evidence.to_json() == row["evidence"]


def test_fields_that_the_first_entries_lack_have_defaults(old_entries: list[Entry]) -> None:
    candidate, promotion, opened, closed = (e for e in old_entries if e.model == "oldest")
    registered = read_evidence(candidate, CandidateRegistered)
    assert (registered.kind, registered.digest) == ("binary", None)
    assert read_evidence(promotion, Promoted).bake_until is None
    assert read_evidence(opened, EpisodeOpened).severity == "page"
    assert read_evidence(closed, EpisodeClosed).severity == "page"


def test_read_evidence_reads_numbers_and_times(old_entries: list[Entry]) -> None:
    promotion = next(e for e in old_entries if e.key == "decision:1" and e.model == "flights")
    evidence = read_evidence(promotion, Promoted)
    assert evidence.to == datetime(2013, 4, 20, 12, tzinfo=UTC)
    assert evidence.differences["roc_auc"].low > 0
    assert isinstance(evidence.gates[0], GateCheck)


def test_read_evidence_takes_what_a_kind_extends_and_nothing_else(
    old_entries: list[Entry],
) -> None:
    refused = next(e for e in old_entries if e.what == "refused")
    assert read_evidence(refused, Reason).reason == read_evidence(refused, Refused).reason
    with pytest.raises(TypeError, match=f"{refused.key} is `refused`.*Promoted"):
        read_evidence(refused, Promoted)


def test_unknown_fields_are_kept() -> None:
    evidence = Refused.model_validate({"reason": "worse", "weather": "rain"})
    assert evidence.to_json() == {"reason": "worse", "weather": "rain"}


def test_merge_evidence_takes_the_later_part() -> None:
    gate = GateEvidence(rows=9, from_=datetime(2013, 4, 1, tzinfo=UTC), gates=[])
    merged = merge_evidence(StepEvidence, Reason(reason="better"), gate, GateEvidence(rows=7))
    assert merged.to_json() == {
        "reason": "better", "rows": 7, "from": "2013-04-01T00:00:00+00:00", "gates": [],
    }  # fmt: skip


def test_numbers_that_json_cannot_hold_are_null_and_read_as_nan() -> None:
    difference = Difference("cost", 0.4, 0.5, 0.1, math.nan, math.inf, 9, 5, 0.95)
    written = GateEvidence(differences={"cost": difference}).to_json()
    json.dumps(written, allow_nan=False)
    read = GateEvidence.model_validate(written).differences["cost"]
    assert math.isnan(read.low)
    assert math.isnan(read.high)
    assert GateEvidence.model_validate(written).to_json() == written


def test_a_cause_is_split_as_it_is_joined() -> None:
    assert split_cause(join_cause("contract", "rows:arrivals")) == ("contract", "rows:arrivals")
