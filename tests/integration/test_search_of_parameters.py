"""A training with a search: its candidate, card, pictures, MLflow runs and reproduction."""

import pytest

from configs.settings import settings
from tasks.model_cards.charts import draw_card_charts
from tasks.model_cards.text import render_card
from tasks.models.card import ModelCard
from tasks.models.mlflow.client import connect_mlflow
from tasks.models.registry import open_model
from tasks.training.reproduce_worker import retrain_from_card
from tasks.training.search import build_tuned_candidate
from tests.support.parcel_rows import APRIL, DAY, MARCH, parcel_rows

pytestmark = pytest.mark.system

SEARCH = {
    "trials": 4,
    "candidate": "boosting",
    "params": {"max_iter": [2, 40], "learning_rate": "log[0.02, 0.5]"},
}


def test_the_winner_of_a_search_is_one_more_candidate(make_case):
    case = make_case(yaml={"search": SEARCH})
    case.land("spring", parcel_rows(MARCH, days=44))
    case.ingest(APRIL + 4 * DAY)
    case.train(APRIL + 4 * DAY)
    model = open_model(case.name, 1)
    card = model.card
    assert list(card.validation) == [*case.use_case.candidates, "tuned"]
    assert len(card.search.trials) == 4
    assert ModelCard.model_validate_json(card.model_dump_json()) == card
    assert "Search of parameters" in render_card(card)
    client = connect_mlflow()
    run_id = client.get_model_version(case.name, "1").run_id
    runs = client.search_runs([client.get_experiment_by_name(case.name).experiment_id])
    parents = {run.info.run_name: run.data.tags.get("mlflow.parentRunId") for run in runs}
    tuned = next(run.info.run_id for run in runs if run.info.run_name == "tuned")
    assert parents["tuned"] == run_id
    assert [parents[f"trial {number}"] for number in range(4)] == [tuned] * 4
    pictures = draw_card_charts(card, f"{settings().reports}/pictures")
    assert {"search", "search-parameters"} <= set(pictures)
    tuned_card = card.model_copy(
        update={
            "algorithm": "tuned",
            "candidate": build_tuned_candidate(case.use_case, card.search),
        }
    )
    exported, _ = retrain_from_card(tuned_card)
    assert exported.fitted.candidate == tuned_card.candidate
