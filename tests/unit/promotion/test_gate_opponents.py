"""Opponents of a first champion, results too good to be true, and the person who is asked then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import yaml

from configs.errors import BadConfig
from configs.schema.promotion import Direct
from configs.schema.use_case import UseCase
from configs.settings import ROOT
from tasks.evaluation.alpha_spending import ONLY_LOOK, GateLook
from tasks.evaluation.bootstrap import Difference
from tasks.ledger.evidence import GateCheck, GateEvidence
from tasks.ledger.log import Entry, Ledger
from tasks.promotion.approval import ApprovalAnswer, record_approval
from tasks.promotion.gate import Decision
from tasks.promotion.gate_opponents import compare_opponents, find_doubts, removed_error
from tests.support.candidates import NAME, day, record_registered, rollout_use_case, step
from tests.support.decisions import predict_at
from tests.support.gated_rows import gated_use_case

NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)
ROWS = 1200


def counted_rows(seed: int = 0) -> pl.DataFrame:
    """Labels of a season, the value of a week ago, and old predictions that are worse."""
    random, index = np.random.default_rng(seed), np.arange(ROWS)
    known = 0.5 + 0.4 * np.sin(index)
    late = (random.random(ROWS) < known).astype(np.int8)
    return pl.DataFrame(
        {
            "late": late,
            "prediction_time": [NOON + timedelta(hours=int(i)) for i in index],
            "label_known_time": [NOON + timedelta(hours=int(i), days=1) for i in index],
            "known": known,
            "week_ago": np.clip(known + random.normal(0, 0.6, ROWS), 0, 1),
            "perfect": late.astype(float),
            "departure_hour": index % 24,
        }
    )


def with_opponents(*names: str, **gate: object) -> UseCase:
    return gated_use_case(opponents=names, min_rows=500, **gate)


def meet_opponents(rows: pl.DataFrame, *names: str, look: GateLook = ONLY_LOOK, **gate: object):
    new = predict_at(rows["known"].to_numpy())
    return compare_opponents(with_opponents(*names, **gate), rows, new, 0.35, look)


def test_each_opponent_is_a_row_of_the_table():
    (weak, found), (strong, _) = meet_opponents(counted_rows(), "week_ago", "perfect")
    assert (weak.gate, weak.verdict) == ("roc_auc against week_ago", "pass")
    assert (found.subject, found.low > 0) == ("roc_auc against week_ago", True)
    assert (strong.gate, strong.verdict) == ("roc_auc against perfect", "fail")
    assert meet_opponents(counted_rows()) == []


def test_an_equal_opponent_is_not_beaten():
    ((check, found),) = meet_opponents(counted_rows().with_columns(same="known"), "same")
    assert (check.verdict, found.improvement) == ("fail", 0)


def test_rows_without_the_opponent_do_not_count():
    hidden = pl.when(pl.int_range(pl.len()) < 600).then("week_ago")
    ((_, found),) = meet_opponents(counted_rows().with_columns(old=hidden), "old")
    assert found.rows == 600
    rare = pl.when(pl.int_range(pl.len()) < 499).then("week_ago")
    ((check, nothing),) = meet_opponents(counted_rows().with_columns(old=rare), "old")
    assert (check.verdict, nothing) == ("wait", None)
    assert "only 499 rows" in check.measured


def test_opponents_wait_for_later_looks():
    noisy = pl.col("known") + pl.Series(np.random.default_rng(1).normal(0, 0.05, ROWS))
    rows = counted_rows().with_columns(near=noisy)
    first = GateLook(1, 4, 0.5, day(30))
    ((early, found),) = meet_opponents(rows, "near", look=first)
    ((late, _),) = meet_opponents(rows, "near")
    if not found.low > 0:
        assert early.verdict == "wait" or found.high <= 0
    assert late.verdict in ("pass", "fail")
    assert found.confidence == 0.975


def test_an_opponent_that_is_no_column_is_named():
    with pytest.raises(BadConfig, match=r"gate.opponents: 'lag' not found"):
        meet_opponents(counted_rows(), "lag")


@pytest.mark.parametrize(("name", "words"), [("late", "no numeric"), ("carrier", "no numeric")])
def test_label_and_texts_are_no_opponents(name, words):
    flights = yaml.safe_load((ROOT / "configs" / "flights.yaml").read_text())
    flights["gate"]["opponents"] = [name]
    with pytest.raises(ValueError, match=words):
        UseCase.model_validate(flights)


def gain_of(new: float, old: float, subject: str = "roc_auc") -> Difference:
    return Difference(subject, new, old, new - old, 0, 1, 1000, 20, 0.95)


def doubts_on(rows=None, differences=None, entries=(), first=False, case=None) -> list[str]:
    rows = counted_rows() if rows is None else rows
    case = gated_use_case() if case is None else case
    return find_doubts(case, rows, differences or {}, entries, first=first)


def test_honest_rows_raise_no_doubt():
    assert doubts_on(differences={"roc_auc": gain_of(0.75, 0.7)}) == []
    assert doubts_on(differences={"roc_auc": gain_of(0.99, 0.5)}, first=True) == []


def test_an_input_that_is_the_label_raises_a_doubt_unless_it_is_an_opponent():
    rows = counted_rows().with_columns(distance=pl.col("late").cast(pl.Float64))
    assert "distance alone explains 100.0000% of the label" in doubts_on(rows)[0]
    assert doubts_on(rows, case=gated_use_case(opponents=("distance",))) == []


@pytest.mark.parametrize(("early", "found"), [(60, 0), (61, 1), (ROWS, 1)])
def test_labels_known_at_prediction_raise_a_doubt(early, found):
    rows = counted_rows().with_columns(
        label_known_time=pl.when(pl.int_range(pl.len()) < early)
        .then("prediction_time")
        .otherwise("label_known_time")
    )
    said = doubts_on(rows)
    assert len(said) == found
    assert not said or f"{early} of {ROWS} labels were known" in said[0]


@pytest.mark.parametrize(
    ("new", "old", "first", "found"),
    [
        (0.849, 0.70, False, 0), (0.851, 0.70, False, 1), (0.9949, 0.5, True, 0),
        (0.9951, 0.5, True, 1), (0.6, 0.7, False, 0), (1.0, 1.0, False, 0),
    ],
)  # fmt: skip
def test_a_jump_raises_a_doubt(new, old, first, found):
    assert len(doubts_on(differences={"roc_auc": gain_of(new, old)}, first=first)) == found


def test_history_supports_a_jump():
    gone = gain_of(0.94, 0.7)
    evidence = GateEvidence(differences={"roc_auc": gone}, champion_version=1).to_json()
    earlier = Entry(NAME, "promoted", "decision:2", day(0), "test", 2, evidence)
    now = {"roc_auc": gain_of(0.9, 0.7)}
    assert len(doubts_on(differences=now)) == 1
    assert doubts_on(differences=now, entries=[earlier]) == []
    over_constant = GateEvidence(differences={"roc_auc": gone}, champion_version=None).to_json()
    first = Entry(NAME, "promoted", "decision:1", day(0), "test", 1, over_constant)
    assert len(doubts_on(differences=now, entries=[first])) == 1


@pytest.mark.parametrize(
    ("metric", "new", "old", "share"),
    [
        ("roc_auc", 0.9, 0.8, 0.5), ("accuracy", 0.8, 0.6, 0.5), ("rmse", 3.0, 4.0, 0.25),
        ("log_loss", 0.2, 0.4, 0.5), ("cost", 1.0, 2.0, None), ("rmse", 1.0, 0.0, None),
        ("rmse", 5.0, 4.0, -0.25),
    ],
)  # fmt: skip
def test_removed_error(metric, new, old, share):
    found = removed_error(metric, gain_of(new, old, metric))
    assert found == (None if share is None else pytest.approx(share))


@pytest.fixture
def book(tmp_path):
    book = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    record_registered(book, 2, day(0))
    return book


def doubtful(_):
    check = GateCheck("metric", "more", "some", "pass")
    evidence = GateEvidence(gates=[check], doubts=["x alone explains 99% of the label"])
    return Decision("pass", "every check passes", evidence)


@pytest.mark.parametrize(("approve", "ends"), [(True, "promoted"), (False, "refused")])
def test_a_doubt_asks_a_person_though_approval_is_automatic(book, approve, ends):
    case = rollout_use_case(Direct())
    assert case.approval == "automatic"
    asked = step(book, case, 2, day(1), doubtful)
    assert (asked.what, asked.key) == ("approval_asked", "approval_asked:2")
    assert asked.evidence["doubts"] == ["x alone explains 99% of the label"]
    assert step(book, case, 2, day(2)).key == asked.key
    answer = ApprovalAnswer(approve=approve, by="ada", why="it is known in advance")
    record_approval(book, NAME, 2, answer, datetime.now(UTC))
    decided = step(book, case, 2, day(3))
    assert decided.what == ends
