"""Logged requests as predictions: once each, beside batch, explained, kept and erased."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from configs.errors import NoRows
from configs.schema.request_table import derive_request_case
from configs.settings import settings
from tasks.features.retrieval import build_labels
from tasks.ledger.log import open_ledger
from tasks.monitoring.online.skew import compare_logged_features
from tasks.rollout.prediction_log import REQUEST_ID
from tasks.row_changes.erase import erase_key, plan_erasure, remove_landed_files
from tasks.scoring.explain import explain_prediction
from tasks.scoring.replayed_requests import replay_requests
from tasks.serving.spooled.retention import remove_old_requests
from tests.support.landing import rows_of
from tests.support.parcel_rows import APRIL, DAY, HOUR, parcel_rows
from tests.support.served_case import NOW, served_case, with_serving
from tests.support.served_requests import ingest_requests, serving
from tests.support.small_case import SmallCase

pytestmark = pytest.mark.system
V1 = "/v1/models/parcels:predict"
ASKED = NOW - HOUR
PARCELS = parcel_rows(APRIL)["parcel"].to_list()


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCase]:
    """Ten parcels of the day are asked for twice, and one that no table has; then batch runs."""
    with served_case(tmp_path_factory.mktemp("logged"), log={}) as parcels:
        rows = [{"parcel": name} for name in [*PARCELS[:10], "unseen"]]
        with serving(parcels.use_case, lambda: ASKED) as client:
            first = client.post(V1, json={"instances": rows}).json()
        with serving(parcels.use_case, lambda: ASKED + HOUR / 2) as client:
            client.post(V1, json={"instances": rows[:3]})
        parcels.first = first
        yield parcels


@pytest.mark.parametrize("killed", [True, False])
def test_a_key_is_predicted_once_also_after_a_kill(case, killed):
    ingest_requests(case.use_case, NOW, killed=killed)
    rows = case.predictions().filter(pl.col(REQUEST_ID).is_not_null())
    assert sorted(rows["parcel"]) == sorted([*PARCELS[:10], "unseen"])
    assert rows[REQUEST_ID].unique().to_list() == [case.first["request_id"]]
    values = [each["probability"] for each in case.first["predictions"]]
    found = dict(rows.select("parcel", "probability").iter_rows())
    assert [found[name] for name in [*PARCELS[:10], "unseen"]] == values


def test_it_has_the_prediction_time_of_the_spine_or_its_own(case):
    ingest_requests(case.use_case, NOW)
    rows = case.predictions().filter(pl.col(REQUEST_ID).is_not_null())
    times = dict(rows.select("parcel", "prediction_time").iter_rows())
    sent = dict(parcel_rows(APRIL).select("parcel", "sent").iter_rows())
    assert {name: times[name] for name in PARCELS[:10]} == {n: sent[n] for n in PARCELS[:10]}
    assert times["unseen"] == ASKED
    assert rows["scored_as_of"].unique().to_list() == [ASKED]


@pytest.mark.parametrize("window", [None, "1d"])
def test_batch_scores_the_other_rows_and_keeps_these(case, window):
    ingest_requests(case.use_case, NOW)
    case.score(NOW, window)
    rows = case.predictions()
    assert rows.filter(pl.col(REQUEST_ID).is_not_null()).height == 11
    assert rows.height == 33
    case.assert_rows_answered(NOW)


def test_monitor_and_labels_take_them_as_any_other(case):
    ingest_requests(case.use_case, NOW)
    case.score(NOW)
    later = NOW + 4 * DAY
    labels = build_labels(case.use_case, APRIL, NOW, later)
    assert set(PARCELS[:10]) <= set(labels["parcel"])
    measured = case.monitor(NOW)
    missing = measured.filter(subject="missing:predictions")
    assert missing["value"].to_list() == [0.0]
    assert measured.filter(subject="rows:predictions")["value"].item() >= 32


def test_a_prediction_is_explained_by_the_inputs_of_its_request(case):
    ingest_requests(case.use_case, NOW)
    explained = explain_prediction(case.use_case, PARCELS[0], NOW)
    assert {each.source for each in explained.inputs} == {"request"}
    assert explained.notes == ()
    assert explained.prediction.value == pytest.approx(case.first["predictions"][0]["probability"])


@pytest.mark.parametrize(("version", "changed"), [(1, 0), (2, None)])
def test_another_version_predicts_the_same_requests(case, version, changed):
    ingest_requests(case.use_case, NOW)
    result = replay_requests(case.use_case, version, (NOW - DAY, NOW))
    assert (result.rows, result.versions) == (14, {1: 14})
    assert changed is None or result.changed == changed
    assert (result.largest_difference < 1e-6) == (version == 1)
    with pytest.raises(NoRows, match="no request was logged in"):
        replay_requests(case.use_case, version, (NOW + DAY, NOW + 2 * DAY))


def test_features_that_differ_from_the_lake_are_measured(case):
    newer = parcel_rows(APRIL).head(1).with_columns(sent=pl.lit(NOW + HOUR), weight=0.0)
    case.land("newer", newer, at=NOW + HOUR)
    case.ingest(NOW + 2 * HOUR)  # and not published online
    names = ["parcel", "depot", "weight", "items", "fragile"]
    given = parcel_rows(APRIL).select(names).row(1, named=True) | {"weight": 77.0}
    rows = [{"parcel": PARCELS[0]}, given, {"parcel": PARCELS[2]}]
    for row in rows:
        with serving(case.use_case, lambda: NOW + 3 * HOUR) as client:
            client.post(V1, json={"instances": [row]})
    ingest_requests(case.use_case, NOW + 4 * HOUR)
    (skew,) = compare_logged_features(case.use_case, 1, NOW + 2 * HOUR, NOW + 4 * HOUR)
    assert (skew.view, skew.compared) == ("parcels", 12)
    assert {name: count for name, count in skew.differing.items() if count} == {
        "not_published": 1, "other": 1,
    }  # fmt: skip
    measured = case.monitor(NOW + 4 * HOUR).filter(kind="online")
    (row,) = measured.filter(subject="skew:parcels").to_dicts()
    assert (row["verdict"], row["rows"]) == ("ok", 17 * 4)


def test_an_erasure_reaches_the_log(case):
    ingest_requests(case.use_case, NOW)
    name, book = PARCELS[1], open_ledger()
    plan = plan_erasure(book, case.use_case, {"parcel": name}, NOW)
    assert plan.requests.rows["raw/requests"] == 3
    erase_key(book, case.use_case, plan, NOW, "ann", "asked by mail")
    remove_landed_files(case.use_case, plan)
    folder = Path(settings().lake) / "parcels_requests"
    left = [p for p in folder.rglob("*") if p.is_file() and name.encode() in p.read_bytes()]
    assert left == []
    assert name not in case.predictions()["parcel"].to_list()


def test_old_requests_are_removed_with_their_files(case):
    kept = with_serving(case.use_case, log={"keep": "30d"})
    request_case = derive_request_case(kept)
    assert request_case is not None
    ingest_requests(kept, NOW)
    assert remove_old_requests(kept, NOW + timedelta(days=30)) == 0
    before = rows_of(request_case, "raw/requests").height
    assert remove_old_requests(kept, NOW + timedelta(days=32)) == before > 0
    assert rows_of(request_case, "raw/requests").is_empty()
    landing = Path(settings().landing) / request_case.name
    assert list(landing.rglob("*.parquet")) == []
    assert case.predictions().filter(pl.col(REQUEST_ID).is_not_null()).height == 10
