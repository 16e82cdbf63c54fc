"""Text of the model card: limits from its numbers."""

import json
from datetime import timedelta

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
