"""A version that a person passes around the gate must still be one that can run."""

from pathlib import Path

import pytest

from configs.errors import BadModel, Terminal
from tasks.ledger.log import Ledger, open_ledger
from tasks.ledger.projections import find_champion, rolled_back_until
from tasks.models.mlflow.client import connect_mlflow
from tasks.models.registry import register_version
from tasks.promotion.manual_promotion import promote_manually
from tasks.promotion.rollback import roll_back_by_hand
from tests.support.artifacts import fit_artifact
from tests.support.candidates import NAME, day, record, rollout_use_case
from tests.support.flights import quick_use_case


@pytest.fixture
def book(home: Path) -> Ledger:
    return open_ledger()


def register_logistic() -> int:
    return register_version(fit_artifact(quick_use_case(), "logistic"), "train:by-hand")


def passed(book: Ledger, version: int, at: int = 3):
    return promote_manually(book, rollout_use_case(), version, day(at), "ada", "the board wants it")


def test_it_reigns_bakes_and_can_be_undone_once_and_for_all(book):
    record(book, "promoted", "decision:7", day(0), 7)
    version = register_logistic()
    entry = passed(book, version)
    assert (entry.what, entry.key, entry.at) == ("promoted", f"hand:{version}", day(3))
    assert (entry.actor, entry.evidence["reason"]) == ("ada", "the board wants it")
    assert entry.evidence["champion_version"] == 7
    assert entry.evidence["bake_until"] == day(31).isoformat()
    assert passed(book, version, at=9) == entry, "twice is as once"
    roll_back_by_hand(book, NAME, day(4), "bob", "complaints")
    assert find_champion(book.entries(NAME)).version == 7
    with pytest.raises(Terminal, match="was rolled back on 2013-04-05: complaints"):
        passed(book, version)
    assert rolled_back_until(book.entries(NAME), entry.evidence["digest"]) == day(4)


def test_an_unknown_version_and_one_without_its_file_are_refused(book):
    with pytest.raises(BadModel, match="flights version 5 not found"):
        passed(book, 5)
    version = register_logistic()
    source = connect_mlflow().get_model_version_download_uri(NAME, str(version))
    Path(source.removeprefix("file://"), "model.onnx").write_bytes(b"not a model")
    with pytest.raises(BadModel, match="sha256"):
        passed(book, version)
    assert book.entries(NAME) == []
