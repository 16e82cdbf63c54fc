"""Text of the model card: limits from its numbers."""

import json
from datetime import timedelta

import pytest

from tasks.evaluation.alarms.limits import RuleLimit
from tasks.model_cards.limits import list_limits
from tasks.model_cards.text import render_card
from tasks.models.card import ModelCard

NEW_FIELDS = (
    "kind", "fitted_until", "intervals", "importance", "thin", "environment", "configuration",
)  # fmt: skip


def test_a_card_of_before_still_opens_and_reads(holdout_card):
    old = json.loads(holdout_card.model_dump_json())
    for name in NEW_FIELDS:
        del old[name]
    opened = ModelCard.model_validate(old)
    assert opened.importance == {}
    assert "No intervals" in render_card(opened)


def test_limits_come_from_the_numbers(holdout_card):
    said = list_limits(holdout_card)
    assert "days, 2013-01-01 to 2013-01-13: less than a year" in said
    assert "a false negative 3" in said
    assert "`carrier` (15 known)" in said
    assert f"{len(holdout_card.thin)} slices were too small" in said
    long = holdout_card.model_copy(
        update={"start": holdout_card.trained_until - timedelta(days=400), "thin": ()}
    )
    assert "less than a year" not in list_limits(long)
    assert "too small" not in list_limits(long)


@pytest.mark.parametrize(
    ("loss", "days", "words"),
    [
        (None, None, "its delay was not measured"),
        (0.05, None, "fewer than 80% of years show a sudden loss of 0.05"),
        (0.05, 77, "a sudden loss of 0.05 is found within 11w in 80%"),
    ],
)
def test_a_limit_says_how_late_it_finds_a_loss(holdout_card, loss, days, words):
    limit = RuleLimit(
        false_alarms=0.5,
        reference=0.7,
        limit=0.6,
        detects=0.1,
        days=90,
        loss=loss,
        detection_days=days,
    )
    card = holdout_card.model_copy(update={"limits": {"roc_auc_5w": limit}})
    assert f"Alarm `roc_auc_5w`: {words}." in list_limits(card)
