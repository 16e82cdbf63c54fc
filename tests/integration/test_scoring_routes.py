"""Every version of a cast answers real flights: canary, bake, what fails, and what is killed."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from configs.errors import BadModel
from configs.schema.loading import load_use_case
from configs.schema.promotion import Canary
from configs.schema.training import Slice, Split
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.ledger.log import open_ledger
from tasks.monitoring import window
from tasks.orchestration.parallel import map_parallel
from tasks.promotion.paired_rows import find_paired_rows
from tasks.rollout.assignment import CHALLENGER, assign_arms, rollout_salt
from tasks.rollout.prediction_log import PREDICTIONS, SHADOWS
from tasks.rollout.state import plan_rollout
from tasks.scoring import partitions
from tasks.scoring.batch import ScoredRoute, find_scoring_routes
from tasks.scoring.predictions import write_prediction_table
from tasks.storage.chunks import TimeSpan
from tasks.storage.lake import open_lake
from tests.support import model_versions
from tests.support.model_versions import (
    begin_anew,
    record_event,
    register_candidate_versions,
    trained_on,
)
from tests.support.processes import answer_or_die
from tests.support.state import state

pytestmark = pytest.mark.system
AS_OF = datetime(2013, 1, 22, tzinfo=UTC)
DAY = timedelta(days=1)
WINDOW = (AS_OF, AS_OF + 2 * DAY)
UNIT = ("carrier", "flight", "origin")


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    case = load_use_case("flights")
    boosting = case.candidates["boosting"].model_copy(
        update={"params": {"max_iter": 20, "early_stopping": False}}
    )
    return case.model_copy(
        update={
            "split": Split(validation=4 * DAY, holdout=4 * DAY, min_rows=1000),
            "candidates": {**case.candidates, "boosting": boosting},
            "rollout": Canary(shares=(0.3,), unit=UNIT),
        }
    )


@pytest.fixture(scope="module", autouse=True)
def registered(use_case: UseCase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The flights of January in the lake, and three versions: 1 logistic, 2 and 3 boosting."""
    with state(tmp_path_factory.mktemp("state")):
        parts = trained_on(use_case, AS_OF, AS_OF + 4 * DAY, 40 * DAY, 21 * DAY)
        register_candidate_versions(use_case, "logistic", parts, [1])
        register_candidate_versions(use_case, "boosting", parts, [2, 3])
        yield


@pytest.fixture(autouse=True)
def fresh(registered: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begin_anew(monkeypatch, tmp_path)


def start_canary(use_case: UseCase, version: int = 2, at: datetime = AS_OF) -> None:
    record_event("rollout_started", at, version, **plan_rollout(use_case, 1).to_json())


def score_routes(use_case: UseCase, window: TimeSpan = WINDOW) -> list[ScoredRoute]:
    return model_versions.score_window(use_case, window)


def save_window(
    use_case: UseCase, window: TimeSpan = WINDOW, run: str = "run 1"
) -> list[ScoredRoute]:
    return model_versions.save_scored_window(use_case, window, run)


def read_ordered(table: str) -> pl.DataFrame:
    return model_versions.read_predictions(table, *UNIT, "model_version")


def read_both() -> pl.DataFrame:
    """Predictions and shadows, in one order."""
    return pl.concat([read_ordered(PREDICTIONS), read_ordered(SHADOWS)])


def prediction_table_versions() -> dict[str, int]:
    return open_lake("flights").versions([PREDICTIONS, SHADOWS])


def test_without_a_roll_out_nothing_is_in_shadow(use_case):
    record_event("promoted", AS_OF - DAY, 1)
    (found,) = save_window(use_case)
    assert found.predictions["arm"].unique().to_list() == ["champion"]
    assert found.shadows.is_empty()
    assert prediction_table_versions() == {PREDICTIONS: 0}


def test_a_canary_answers_its_arm_and_shadows_the_rest(use_case):
    record_event("promoted", AS_OF - DAY, 1)
    start_canary(use_case)
    (found,) = save_window(use_case)
    assert (set(found.models), list(found.features)) == ({1, 2}, ["delay_v1"])
    used, shadows = read_ordered(PREDICTIONS), read_ordered(SHADOWS)
    assert used.height == shadows.height > 1000
    mine = assign_arms(used.select(UNIT), rollout_salt("flights", 2), 0.3) == CHALLENGER
    assert ((used["model_version"] == 2) == mine).all()
    assert ((shadows["model_version"] == 1) == mine).all()
    assert used.select(*UNIT, "flight_date").equals(shadows.select(*UNIT, "flight_date"))
    assert mine.mean() == pytest.approx(0.3, abs=0.05)
    assert dict(used.select("arm", "model_version").unique().iter_rows()) == {
        "champion": 1,
        "challenger": 2,
    }
    for model in found.models.values():
        own = used.filter(pl.col("model_version") == model.version)
        assert (own["decision"] == (own["probability"] >= model.card.threshold)).all()


def test_scoring_follows_routes_that_change_in_the_window(use_case):
    record_event("promoted", AS_OF - DAY, 1)
    start_canary(use_case, at=AS_OF + DAY / 2)
    save_window(use_case)
    before, at = read_ordered(PREDICTIONS), prediction_table_versions()
    record_event("promoted", WINDOW[1], 2, bake_until=(WINDOW[1] + 7 * DAY).isoformat())
    save_window(use_case, run="run 2")
    assert read_ordered(PREDICTIONS).equals(before)
    assert prediction_table_versions() == at
    early = before.filter(pl.col("prediction_time") < AS_OF + DAY / 2)
    assert early["model_version"].unique().to_list() == [1]
    assert read_ordered(SHADOWS)["prediction_time"].min() >= AS_OF + DAY / 2


def test_while_it_bakes_the_last_champion_answers_all_in_shadow(use_case):
    record_event("promoted", AS_OF - 9 * DAY, 1)
    record_event("promoted", AS_OF - DAY, 2, bake_until=(AS_OF + DAY).isoformat())
    save_window(use_case)
    used, shadows = read_ordered(PREDICTIONS), read_ordered(SHADOWS)
    assert used["model_version"].unique().to_list() == [2]
    assert dict(shadows.select("arm", "model_version").unique().iter_rows()) == {"previous": 1}
    baking = used.filter(pl.col("prediction_time") < AS_OF + DAY)
    assert shadows.height == baking.height
    slices = {"slices": (Slice(column="airport_delay_24h", bins=(10.0,)),)}
    evaluation = use_case.evaluation.model_copy(update=slices)
    wanted = use_case.model_copy(update={"evaluation": evaluation})
    rows = find_paired_rows(wanted, (2, 1), AS_OF, AS_OF + 4 * DAY, [AS_OF + DAY]).rows
    assert 0.9 * baking.height < rows.height <= baking.height
    assert rows["airport_delay_24h"].null_count() < rows.height / 10
    assert rows["prediction_time"].is_sorted()


def test_a_bake_and_a_roll_out_at_once(use_case):
    record_event("promoted", AS_OF - 9 * DAY, 1)
    record_event("promoted", AS_OF - DAY, 2, bake_until=(AS_OF + 9 * DAY).isoformat())
    record_event("rollout_started", AS_OF, 3, **plan_rollout(use_case, 2).to_json())
    save_window(use_case)
    used, shadows = read_ordered(PREDICTIONS), read_ordered(SHADOWS)
    counts = dict(shadows.group_by("model_version").len().iter_rows())
    mine = used.filter(pl.col("model_version") == 3).height
    assert counts == {1: used.height, 2: mine, 3: used.height - mine}


def test_scoring_killed_between_tables_and_rerun_is_the_same(use_case):
    record_event("promoted", AS_OF - DAY, 1)
    start_canary(use_case)
    found = score_routes(use_case)
    write_prediction_table(use_case, SHADOWS, pl.concat(each.shadows for each in found), WINDOW)
    assert not open_lake("flights").exists(PREDICTIONS)
    save_window(use_case, run="run 2")
    assert prediction_table_versions() == {PREDICTIONS: 0, SHADOWS: 0}
    assert read_ordered(SHADOWS)["run_id"].unique().to_list() == ["run 1"]
    assert read_ordered(PREDICTIONS).height == read_ordered(SHADOWS).height


def test_scoring_goes_on_without_a_challenger_that_fails_to_open(use_case):
    record_event("promoted", AS_OF - 9 * DAY, 1)
    record_event("promoted", AS_OF - DAY, 2, bake_until=(AS_OF + 9 * DAY).isoformat())
    record_event("rollout_started", AS_OF, 9, **plan_rollout(use_case, 2).to_json())
    (found,) = save_window(use_case)
    assert list(found.errors) == [9]
    assert isinstance(found.errors[9], BadModel)
    used, shadows = read_ordered(PREDICTIONS), read_ordered(SHADOWS)
    assert used["arm"].unique().to_list() == ["champion"]
    assert used["model_version"].unique().to_list() == [2]
    assert shadows["model_version"].unique().to_list() == [1]
    assert shadows.height == used.height


def test_a_champion_that_does_not_open_stops_it(use_case):
    record_event("promoted", AS_OF - DAY, 9)
    with pytest.raises(BadModel, match="version 9 not found"):
        score_routes(use_case)


def test_nothing_to_predict_is_no_answer(use_case):
    record_event("promoted", AS_OF - DAY, 1)
    found = score_routes(use_case, (AS_OF + 60 * DAY, AS_OF + 61 * DAY))
    assert [(each.predictions.columns, each.shadows.columns) for each in found] == [([], [])]


def in_partitions(
    use_case: UseCase,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    work=partitions.score_partition_rows,
    **more,
) -> int:
    """Score the window in partitions of about so many rows; how many there were."""
    monkeypatch.setenv("MAINSPRING_PARTITION_ROWS", str(rows))
    settings.cache_clear()
    short = use_case.schedules.model_copy(update={"score_window": DAY / 8})
    cut_up = use_case.model_copy(update={"schedules": short})
    found = partitions.split_routes(cut_up, find_scoring_routes(use_case, WINDOW), WINDOW[1])
    same = {"use_case": use_case, "as_of": WINDOW[1], "run_id": "run 1"} | more
    answered = map_parallel(
        work, found, folder=partitions.choose_spill_folder(use_case, WINDOW, found), **same
    )
    for table in (SHADOWS, PREDICTIONS):
        write_prediction_table(
            use_case, table, partitions.collect_table_chunks(table, answered), WINDOW
        )
    return len(found)


def test_many_partitions_are_the_same_tables_as_one(use_case, monkeypatch):
    record_event("promoted", AS_OF - DAY, 1)
    start_canary(use_case, at=AS_OF + DAY / 2)
    save_window(use_case)
    one, at = read_both(), prediction_table_versions()
    assert in_partitions(use_case, monkeypatch, 10**6) == 2  # the cast changes in the window
    assert in_partitions(use_case, monkeypatch, 200) > 8
    assert prediction_table_versions() == at
    for table in (PREDICTIONS, SHADOWS):
        shutil.rmtree(open_lake("flights").uri(table))
    in_partitions(use_case, monkeypatch, 200)
    assert read_both().equals(one)
    assert prediction_table_versions() == {PREDICTIONS: 0, SHADOWS: 0}


def test_scoring_with_a_killed_worker_writes_the_same_tables(use_case, monkeypatch, tmp_path):
    record_event("promoted", AS_OF - DAY, 1)
    start_canary(use_case, at=AS_OF + DAY / 2)
    save_window(use_case)
    one = read_both()
    for table in (PREDICTIONS, SHADOWS):
        shutil.rmtree(open_lake("flights").uri(table))
    monkeypatch.setenv("MAINSPRING_ENGINE", "dask")
    monkeypatch.setenv("MAINSPRING_DASK_WORKERS", "2")
    cut_into = in_partitions(use_case, monkeypatch, 500, answer_or_die, diary=tmp_path / "diary")
    assert read_both().equals(one)
    assert prediction_table_versions() == {PREDICTIONS: 0, SHADOWS: 0}
    begun = (tmp_path / "diary").read_text().splitlines()
    assert cut_into > 6
    assert len({line.split()[1] for line in begun}) >= 2  # so many workers
    # what died was done twice, and what was done and not yet fetched when it died
    assert cut_into < len(begun) <= cut_into + 2


def test_split_routes_depends_on_rows_and_score_windows_only(use_case, monkeypatch):
    record_event("promoted", AS_OF - 9 * DAY, 1)
    (cast,) = find_scoring_routes(use_case, (AS_OF, AS_OF + 3 * DAY))
    monkeypatch.setenv("MAINSPRING_PARTITION_ROWS", "1")
    settings.cache_clear()
    found = partitions.split_routes(use_case, [cast], AS_OF + 3 * DAY)
    assert [part.start for part in found] == [AS_OF, AS_OF + DAY, AS_OF + 2 * DAY]
    assert (found[-1].end, found[0].champion) == (cast.end, 1)
    (daily,) = find_scoring_routes(use_case, (AS_OF, AS_OF + DAY))
    assert partitions.split_routes(use_case, [daily], AS_OF + DAY) == [daily]
    nothing = find_scoring_routes(use_case, (AS_OF + 60 * DAY, AS_OF + 70 * DAY))
    assert partitions.split_routes(use_case, nothing, AS_OF + 70 * DAY) == nothing


def test_a_monitored_window_in_parts_has_the_same_numbers(use_case, monkeypatch):
    record_event("promoted", AS_OF - DAY, 1)
    start_canary(use_case)
    save_window(use_case)

    def numbers():
        settings.cache_clear()
        found = window.load_window(use_case, open_ledger().entries("flights"), WINDOW[1])
        return len(found.counts), window.measure_window(found)

    parts, whole = numbers()
    monkeypatch.setenv("MAINSPRING_PARTITION_ROWS", "300")
    more, again = numbers()
    assert (parts, more > 5) == (1, True)
    assert again == whole
    assert {n.rows for n in whole if n.kind == "drift"} == {read_ordered(PREDICTIONS).height}
