"""The predictor and batch scoring: equal values, decisions, arms and versions of the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from configs.schema.promotion import Ab, Canary
from configs.schema.use_case import UseCase
from tasks.evaluation.prediction_columns import to_prediction_array
from tasks.evaluation.problem_types import problem_type_of
from tasks.features.online_read import OnlineReader
from tasks.features.online_store import publish_features
from tasks.features.retrieval import build_spine, join_features
from tasks.ledger.log import Entry, EntryKind, open_ledger
from tasks.models.registry import open_model
from tasks.promotion.rollback import roll_back_by_hand
from tasks.rollout.routing import find_route
from tasks.rollout.state import plan_rollout
from tasks.scoring.batch import build_prediction_rows, score_route
from tasks.serving.predictor import MissingFeatures, ServedRoute, predict_request
from tasks.serving.route_keeper import RouteKeeper
from tests.support.parcel_rows import APRIL, DAY, MARCH, parcel_rows
from tests.support.served_rows import as_request_columns, used_predictions
from tests.support.small_case import SmallCase, small_case
from tests.support.small_case_files import SmallLabel, SmallTable
from tests.support.spoiled_rows import make_spoiled_rows

pytestmark = pytest.mark.system
DEPOTS = ("north", "south", "east", "west")
LABELS = {
    "binary": SmallLabel("damaged"),
    "regression": SmallLabel("damaged", kind="regression"),
    "multiclass": SmallLabel("damaged", kind="multiclass", classes=("none", "some", "all")),
}
VALUES = {
    "binary": pl.col("damaged"),
    "regression": pl.col("weight") * 2 + pl.col("items"),
    "multiclass": pl.lit(pl.Series(["none", "some", "all"])).gather(
        (pl.col("weight") // 4).cast(pl.Int64)
    ),
}
TYPES = {"binary": "integer", "regression": "number", "multiclass": "text"}
NOW = APRIL + DAY


@pytest.fixture(scope="module", params=LABELS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A use case of each problem type: three versions, rows of a day, features published."""
    columns = {
        "parcel": "text", "depot": "text", "weight": "number", "items": "integer",
        "fragile": "boolean", "sent": "time", "damaged": TYPES[request.param],
    }  # fmt: skip
    table = SmallTable(columns=columns, keys=("parcel",))
    folder = tmp_path_factory.mktemp(request.param)
    with small_case(folder, tables={"parcels": table}, label=LABELS[request.param]) as parcels:
        rows = parcel_rows(MARCH, days=41).with_columns(damaged=VALUES[request.param])
        parcels.land("spring", rows.filter(pl.col("sent") < APRIL))
        parcels.ingest(APRIL)
        for days in (0, 1, 2):
            parcels.train(APRIL - days * DAY)
        parcels.land("day", rows.filter(pl.col("sent") >= APRIL), at=APRIL)
        parcels.ingest(NOW)
        publish_features(parcels.use_case, NOW)
        yield parcels


@pytest.fixture
def ledger(case: SmallCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The candidates, and an empty ledger behind them."""
    from tests.support.state import forget

    candidates = [e for e in case.ledger() if e.what == "candidate_registered"]
    monkeypatch.setenv("MAINSPRING_LEDGER_URL", f"sqlite:///{tmp_path}/ledger.db")
    forget()
    for entry in candidates:
        open_ledger().record(entry)
    yield
    monkeypatch.undo()
    forget()


def record_parcels(what: EntryKind, version: int, days: float = 9, **evidence: object) -> None:
    entry = Entry("parcels", what, f"{what}:{version}", NOW - days * DAY, "t", version, evidence)
    open_ledger().record(entry)


def start_rollout(use_case: UseCase, version: int, plan: object) -> None:
    planned = plan_rollout(use_case.model_copy(update={"rollout": plan}), 1)
    assert planned is not None
    record_parcels("rollout_started", version, 5, **planned.to_json())


def open_route(use_case: UseCase) -> ServedRoute:
    keeper = RouteKeeper(use_case)
    assert keeper.refresh(NOW)
    assert keeper.problems == []
    assert keeper.served is not None
    return keeper.served


def tell(story: str, use_case: UseCase) -> None:
    record_parcels("promoted", 1)
    until = (NOW + DAY).isoformat()
    if story == "canary":
        start_rollout(use_case, 2, Canary(shares=(0.3,), unit=("parcel",)))
    elif story == "A/B":
        start_rollout(use_case, 2, Ab(share=0.5, rows=1000))
    elif story == "bake":
        record_parcels("promoted", 2, 6, bake_until=until)
    elif story == "bake and canary":
        record_parcels("promoted", 3, 6, bake_until=until)
        start_rollout(use_case, 2, Canary(shares=(0.5,)))


@pytest.mark.parametrize("story", ["champion", "canary", "A/B", "bake", "bake and canary"])
def test_request_and_batch_predict_the_same(case, ledger, story):
    use_case = case.use_case
    tell(story, use_case)
    served, route = open_route(use_case), find_route(open_ledger().entries("parcels"), NOW)
    assert route is not None
    batch = score_route(use_case, replace(route, start=NOW - 5 * DAY, end=NOW), NOW, "run")
    keys = list(use_case.spine.key)
    spine = build_spine(use_case, NOW - 5 * DAY, NOW, NOW)
    given = join_features(use_case, spine)
    found = predict_request(
        use_case, served, as_request_columns(served, given), NOW, OnlineReader(use_case)
    )
    expected = batch.predictions.rename({problem_type_of(use_case).value_column: "value"})
    ours = used_predictions(use_case, spine.select(keys), found)
    both = ours.join(expected, on=keys, suffix="_batch")
    assert both.height == spine.height > 100
    assert_columns_equal(both)
    shadows = {r.version: r.role for r in found.by_role.values()}
    assert set(batch.models) == set(shadows)
    if story == "canary":
        assert 0.1 < (both["arm"] == "challenger").mean() < 0.5


def assert_columns_equal(both: pl.DataFrame) -> None:
    values, batch = (to_prediction_array(both[name]) for name in ("value", "value_batch"))
    np.testing.assert_allclose(values, batch, atol=1e-6, rtol=0)
    for name in ("decision", "arm", "model_version"):
        assert both[name].to_list() == both[f"{name}_batch"].to_list(), name


def test_spoiled_rows_are_predicted_as_by_batch(case, ledger):
    use_case = case.use_case
    tell("bake", use_case)
    served = open_route(use_case)
    model = open_model("parcels", 2)
    rows = make_spoiled_rows(model.card.inputs, 3000).with_columns(
        parcel=pl.int_range(3000).cast(pl.String), prediction_time=pl.lit(NOW)
    )
    time = use_case.spine.time
    batch = build_prediction_rows(
        use_case, model, rows.with_columns(pl.lit(NOW).alias(time)), "champion", NOW, "run"
    )
    found = predict_request(
        use_case, served, as_request_columns(served, rows), NOW, OnlineReader(use_case)
    )
    ours = used_predictions(use_case, rows.select("parcel"), found)
    batch = batch.rename({problem_type_of(use_case).value_column: "value"})
    assert_columns_equal(ours.join(batch, on="parcel", suffix="_batch", maintain_order="left"))


def test_features_are_read_online_as_they_were_joined(case, ledger):
    use_case = case.use_case
    record_parcels("promoted", 1)
    served, reader = open_route(use_case), OnlineReader(use_case)
    spine = build_spine(use_case, NOW - DAY, NOW, NOW)
    given = join_features(use_case, spine)
    all_given = predict_request(use_case, served, as_request_columns(served, given), NOW, reader)
    columns = as_request_columns(served, spine)
    read = predict_request(use_case, served, columns, NOW, reader)
    assert read.by_role == all_given.by_role
    assert (sum(read.missing), sum(read.stale), read.store_error) == (0, 0, "")
    assert max(read.ages.values()) <= DAY.total_seconds()


def test_missing_and_stale_features_are_counted_or_refused(case, ledger):
    use_case = case.use_case
    record_parcels("promoted", 1)
    served, reader = open_route(use_case), OnlineReader(use_case)
    spine = build_spine(use_case, NOW - DAY, NOW, NOW).head(2)
    unknown = spine.with_columns(parcel=pl.Series(["nothing", spine["parcel"][1]]))
    views = served.champion.views
    features = sum(len(view.features) for view in views)
    columns = as_request_columns(served, unknown)
    found = predict_request(use_case, served, columns, NOW, reader)
    assert (found.missing, found.stale) == ([features, 0], [0, 0])
    late = NOW + (views[0].ttl or timedelta(0)) + 3 * DAY
    if views[0].ttl is not None:
        found = predict_request(use_case, served, columns, late, reader)
        assert (found.missing, found.stale) == ([features, 0], [0, features])
    with pytest.raises(MissingFeatures, match="missing or stale"):
        predict_request(use_case, served, columns, NOW, reader, "refuse")


def test_a_version_that_does_not_open_leaves_the_old_one(case, ledger):
    use_case = case.use_case
    record_parcels("promoted", 1)
    keeper = RouteKeeper(use_case)
    keeper.refresh(NOW)
    record_parcels("promoted", 77, 1)
    assert not keeper.refresh(NOW)
    assert keeper.served is not None
    assert keeper.served.route.champion == 1
    assert "version 77" in keeper.problems[0]
    roll_back_by_hand(open_ledger(), "parcels", NOW, "test", "it does not open")
    keeper.refresh(NOW)
    assert keeper.problems == []
    record_parcels("promoted", 2, 0)
    assert keeper.refresh(NOW)
    assert keeper.served.route.champion == 2
