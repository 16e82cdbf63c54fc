"""Alert rows: the state of each episode, and what answered it."""

from tasks.overview.alert_rows import build_alert_rows
from tasks.overview.facts import ModelFacts


def test_build_alert_rows_has_open_ones_first_then_the_newest(facts: ModelFacts) -> None:
    rows = build_alert_rows(facts.ledger.entries)
    assert [row.until is None for row in rows] == [True, False, False, False]
    assert [row.cause for row in rows] == [
        "bake: cost", "late: labelled", "late: landed", "ROC AUC over 5w",
    ]  # fmt: skip


def test_a_row_names_training_version_decision_and_notification(facts: ModelFacts) -> None:
    last = build_alert_rows(facts.ledger.entries)[-1]
    assert [answer.text for answer in last.answers] == [
        "retraining asked for, 2013-04-08",
        "training run",
        "version 2",
        "promoted v2, 2013-04-25",
        "notified slack-webhook/ops",
    ]
    assert [answer.link for answer in last.answers][2:4] == ["models/v2.html", "#entry-13"]
    assert last.ending == "version 2 took over"


def test_build_alert_rows_of_an_empty_ledger_is_empty() -> None:
    assert build_alert_rows([]) == []
