"""The model card of a training: slices, configuration and environment."""

import json

from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from tasks.models.card import ModelCard


def test_every_slice_is_measured_or_told_to_be_too_small(holdout_case, holdout_split, holdout_card):
    assert {
        each["rows"] < holdout_case.evaluation.slice_min_rows for each in holdout_card.thin
    } == {True}
    of_carrier = [
        e["rows"] for e in (*holdout_card.slices, *holdout_card.thin) if e["slice"] == "carrier"
    ]
    assert sum(of_carrier) == holdout_split.holdout.height


def test_the_card_carries_what_it_takes_to_train_it_again(holdout_case, holdout_card):
    flights = load_use_case("flights")
    written = json.loads(json.dumps(flights.model_dump(mode="json", by_alias=True)))
    assert UseCase.model_validate(written) == flights
    assert holdout_card.configuration == holdout_case.model_dump(mode="json", by_alias=True)
    assert holdout_card.environment["scikit-learn"]
    assert ModelCard.model_validate_json(holdout_card.model_dump_json()) == holdout_card
