"""A version that a person passes around the gate must still be one that can run."""

from pathlib import Path

import pytest

from configs.errors import BadModel, Terminal
from tasks.by_hand import pass_by_hand
from tasks.card import make_card
from tasks.export import export_fitted
from tasks.ledger import Ledger, champion, ledger
from tasks.promotion import undone_at
from tasks.registry import golden_rows, register
from tasks.rollback import roll_back_by_hand
from tasks.tracking import connect
from tasks.training import fit_candidate, training_parts
from tests.candidates import NAME, day, record, use_case
from tests.real_flights import END, january, quick_use_case


@pytest.fixture
def book(home: Path) -> Ledger:
    return ledger()


def registered() -> int:
    case = quick_use_case()
    parts = training_parts(case, january(), END)
    fitted = fit_candidate(case, "logistic", parts)
    exported = export_fitted(case, fitted, parts)
    card, golden = make_card(case, parts, [fitted], exported, {}), golden_rows(exported, parts)
    return register(NAME, exported.onnx, card, golden, "train:by-hand")


def passed(book: Ledger, version: int, at: int = 3):
    return pass_by_hand(book, use_case(), version, day(at), "ada", "the board wants it")


def test_it_reigns_bakes_and_can_be_undone_once_and_for_all(book):
    record(book, "promoted", "decision:7", day(0), 7)
    version = registered()
    entry = passed(book, version)
    assert (entry.what, entry.key, entry.at) == ("promoted", f"hand:{version}", day(3))
    assert (entry.actor, entry.evidence["reason"]) == ("ada", "the board wants it")
    assert entry.evidence["champion_version"] == 7
    assert entry.evidence["bake_until"] == day(31).isoformat()
    assert passed(book, version, at=9) == entry, "twice is as once"
    roll_back_by_hand(book, NAME, day(4), "bob", "complaints")
    assert champion(book.entries(NAME)).version == 7
    with pytest.raises(Terminal, match="was rolled back on 2013-04-05: complaints"):
        passed(book, version)
    assert undone_at(book.entries(NAME), entry.evidence["digest"]) == day(4)


def test_an_unknown_version_and_one_without_its_file_are_refused(book):
    with pytest.raises(BadModel, match="flights has no version 5"):
        passed(book, 5)
    version = registered()
    source = connect().get_model_version_download_uri(NAME, str(version))
    Path(source.removeprefix("file://"), "model.onnx").write_bytes(b"not a model")
    with pytest.raises(BadModel, match="sha256"):
        passed(book, version)
    assert book.entries(NAME) == []
