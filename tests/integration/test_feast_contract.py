"""Feast's contract on our offline store: names, times, retrieval without entities, and writes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource
from feast.data_source import PushMode
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.feature_logging import LoggingConfig
from feast.types import Float64, Int64, String

from feature_repo.delta import DeltaSource
from feature_repo.delta_writes import DeltaLoggingDestination, SavedDatasetDeltaStorage
from tests.support.feast_project import FeastProject

HOUR = timedelta(hours=1)
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
SHOP = Entity(name="shop", join_keys=["shop"])
ROWS = pl.DataFrame(
    {
        "shop": [1, 1, 2],
        "sales": [10.0, 11.0, 20.0],
        "at": [NOON - 3 * HOUR, NOON - HOUR, NOON - 2 * HOUR],
        "known": [NOON - 2 * HOUR, NOON, NOON - 2 * HOUR],
    }
)
NAMED = {"timestamp_field": "at", "created_timestamp_column": "known"}


@pytest.fixture
def project(home: Path) -> FeastProject:
    return FeastProject(home)


def shop_view(source, name: str = "shops", entities=(SHOP,), feature: str = "sales", **more):
    schema = [Field(name=feature, dtype=Float64)]
    return FeatureView(
        name=name, entities=list(entities), schema=schema, source=source, ttl=timedelta(0), **more
    )


def ask_shop(project: FeastProject, feature: str = "shops:sales", **columns) -> pl.DataFrame:
    entities = pd.DataFrame(columns or {"shop": [2, 1], "event_timestamp": [NOON, NOON - HOUR]})
    return pl.DataFrame(project.store.get_historical_features(entities, [feature]).to_arrow())


def online_sales(project: FeastProject, feature: str = "shops:sales") -> list[float | None]:
    keys = [{"shop": 1}, {"shop": 2}]
    return project.store.get_online_features([feature], keys).to_dict()[feature.split(":")[1]]


@pytest.mark.parametrize("zone", ["UTC", None])
def test_times_of_other_names_and_without_a_zone(project: FeastProject, zone: str | None) -> None:
    rows = ROWS.with_columns(pl.col("at", "known").dt.replace_time_zone(zone))
    project.store.apply([SHOP, shop_view(project.source("shops", rows, **NAMED))])
    found = ask_shop(project, shop=[2, 1], event_timestamp=[NOON, NOON - HOUR])
    assert found["sales"].to_list() == [20.0, 10.0]
    naive = ask_shop(project, shop=[2, 1], event_timestamp=pd.to_datetime(["2024-03-01 12:00"] * 2))
    assert naive["sales"].to_list() == [20.0, 11.0]
    project.store.materialize(NOON - 24 * HOUR, NOON - timedelta(minutes=1))
    assert online_sales(project) == [10.0, 20.0]


def test_mapped_names_are_retrieved_and_published(project: FeastProject) -> None:
    rows = ROWS.rename({"sales": "SLS_TTL", "at": "AT"})
    mapping = {"SLS_TTL": "sales", "AT": "at", "not_there": "other"}
    source = project.source("shops", rows, field_mapping=mapping, **NAMED)
    project.store.apply([SHOP, shop_view(source)])
    assert ask_shop(project)["sales"].to_list() == [20.0, 10.0]
    project.store.materialize(NOON - 24 * HOUR, NOON)
    assert online_sales(project) == [11.0, 20.0]


def test_without_a_created_timestamp_a_row_is_known_when_it_happened(project) -> None:
    source = project.source("shops", ROWS, timestamp_field="at", created_timestamp_column=None)
    project.store.apply([SHOP, shop_view(source)])
    assert ask_shop(project)["sales"].to_list() == [20.0, 11.0]
    assert not project.store.get_data_source("shops").created_timestamp_column


def test_a_view_without_entities(project: FeastProject) -> None:
    source = project.source("all", ROWS.drop("shop"), **NAMED)
    shops = shop_view(project.source("shops", ROWS, **NAMED))
    project.store.apply([SHOP, shops, shop_view(source, "all", entities=())])
    assert ask_shop(project, "all:sales")["sales"].to_list() == [11.0, 20.0]
    project.store.materialize(NOON - 24 * HOUR, NOON)
    both = ["shops:sales", "all:sales"]
    found = project.store.get_online_features(both, [{"shop": 2}], full_feature_names=True)
    assert found.to_dict()["all__sales"] == [11.0]


def test_retrieval_by_time_range(project: FeastProject) -> None:
    project.store.apply([SHOP, shop_view(project.source("shops", ROWS, **NAMED))])
    job = project.store.get_historical_features(
        features=["shops:sales"], start_date=NOON - 2 * HOUR, end_date=NOON
    )
    found = job.to_df()
    assert found["shop"].tolist() == [2, 1]
    assert found["sales"].tolist() == [20.0, 10.0]  # 11.0 was not known by 11:00


@pytest.mark.parametrize("name", ["_time", "_known", "_row", "_key0", "_event", "_window", "time",
                                  "known", "event", "created", "key0", "feature0"])  # fmt: skip
def test_no_name_of_a_feature_or_key_meets_the_joins_own(project: FeastProject, name: str) -> None:
    rows = ROWS.rename({"sales": name}) if name != "known" else ROWS.rename(
        {"known": "told", "sales": name}
    )  # fmt: skip
    times = NAMED | ({"created_timestamp_column": "told"} if name == "known" else {})
    source = project.source("shops", rows, **times)
    key = project.source("keyed", ROWS.rename({"shop": f"{name}_"}), **NAMED)
    other = Entity(name=f"{name}_", join_keys=[f"{name}_"])
    project.store.apply(
        [SHOP, other, shop_view(source, feature=name), shop_view(key, "keyed", entities=[other])]
    )
    assert ask_shop(project, f"shops:{name}")[name].to_list() == [20.0, 10.0]
    columns = {f"{name}_": [2, 1], "event_timestamp": [NOON, NOON - HOUR], "x": [1, 2]}
    assert ask_shop(project, "keyed:sales", **columns)["sales"].to_list() == [20.0, 10.0]


def test_a_history_that_was_created_later_is_told(project: FeastProject) -> None:
    rows = ROWS.with_columns(known=pl.lit(NOON + 24 * HOUR))
    project.store.apply([SHOP, shop_view(project.source("shops", rows, **NAMED))])
    with pytest.warns(UserWarning, match="3 rows happened by .* but all have a later known"):
        assert ask_shop(project)["sales"].null_count() == 2


def test_what_cannot_be_read_is_told_in_a_sentence(project: FeastProject, home: Path) -> None:
    ROWS.write_parquet(home / "shops.parquet")
    file = FileSource(name="file", path=str(home / "shops.parquet"), timestamp_field="at")
    project.store.apply([SHOP, shop_view(file)])
    with pytest.raises(TypeError, match="source 'file' is a FileSource; this store reads tables"):
        ask_shop(project)
    declared = DeltaSource(name="shops", table="shops", timestamp_field="when")
    project.source("shops", ROWS)
    project.store.apply([SHOP, shop_view(declared, "lost")])
    with pytest.raises(ValueError, match="shops has no column when, created_timestamp; columns:"):
        ask_shop(project, "lost:sales")
    project.store.apply([SHOP, shop_view(project.source("other", ROWS, **NAMED), "fine")])
    with pytest.raises(ValueError, match="entity rows have no column shop"):
        ask_shop(project, "fine:sales", shops=[1], event_timestamp=[NOON])
    with pytest.raises(TypeError, match="must be a pandas frame, not str"):
        project.store.get_historical_features("select 1", ["fine:sales"])


def test_push_goes_online_and_offline(project: FeastProject) -> None:
    source = project.source("shops", ROWS, **NAMED)
    project.store.apply([SHOP, shop_view(PushSource(name="pushed", batch_source=source))])
    late = NOON + HOUR
    row = pd.DataFrame({"shop": [2], "sales": [25], "at": [late], "known": [late]})
    project.store.push("pushed", row, to=PushMode.ONLINE_AND_OFFLINE)
    assert online_sales(project) == [None, 25.0]
    assert project.read("shops").height == 4
    assert ask_shop(project, shop=[2], event_timestamp=[late])["sales"].to_list() == [25.0]


@pytest.mark.parametrize(
    ("table", "change", "reason"),
    [
        ("features/shops", {}, "is built by Mainspring"),
        ("raw/shops", {}, "is built by Mainspring"),
        ("shops", {"shop": [2.5]}, "column shop is Float64, but the table has Int64"),
        ("shops", {"sales": ["many"]}, "column sales is String, but the table has Float64"),
    ],
)
def test_a_write_that_cannot_be_is_refused_before_anything_is_published(
    project: FeastProject, table: str, change: dict, reason: str
) -> None:
    source = project.source(table, ROWS, **NAMED)
    project.store.apply([SHOP, shop_view(source)])
    row = pd.DataFrame({"shop": [2], "sales": [25.0], "at": [NOON], "known": [NOON]} | change)
    with pytest.raises(ValueError, match=reason):
        project.store.write_to_offline_store("shops", row)
    pushed = PushSource(name="pushed", batch_source=source)
    project.store.apply([SHOP, shop_view(pushed, "pushed_shops")])
    with pytest.raises(ValueError, match=reason):
        project.store.push("pushed", row, to=PushMode.ONLINE_AND_OFFLINE)
    assert online_sales(project, "pushed_shops:sales") == [None, None]
    assert project.read(table).height == 3


def test_saved_datasets_are_in_the_lake(project: FeastProject) -> None:
    project.store.apply([SHOP, shop_view(project.source("shops", ROWS, **NAMED))])
    entities = pd.DataFrame({"shop": [2, 1], "event_timestamp": [NOON, NOON]})
    storage = SavedDatasetDeltaStorage(table="saved/spring")
    job = project.store.get_historical_features(entities, ["shops:sales"])
    project.store.create_saved_dataset(from_=job, name="spring", storage=storage)
    read = project.store.get_saved_dataset("spring").to_df()
    assert sorted(read["sales"]) == [11.0, 20.0]
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        job.persist(storage)
    job.persist(storage, allow_overwrite=True)
    assert project.read("saved/spring").height == 2


def test_logged_features_are_in_the_lake(project: FeastProject) -> None:
    shops = shop_view(project.source("shops", ROWS, **NAMED))
    logging = LoggingConfig(destination=DeltaLoggingDestination(table="logs/served"))
    service = FeatureService(name="served", features=[shops], logging_config=logging)
    project.store.apply([SHOP, shops, service])
    logs = pa.table(
        {"shop": [1], "shops__sales": [2.0], "__log_timestamp": [NOON], "__request_id": ["a"]}
    )
    for _ in range(2):
        project.store.write_logged_features(logs, project.store.get_feature_service("served"))
    assert project.read("logs/served").height == 2


def test_types_are_inferred_from_the_table(project: FeastProject) -> None:
    rows = ROWS.with_columns(pl.col("shop").cast(pl.Int32), tags=pl.lit(["a"]), text=pl.lit("a"))
    inferred = FeatureView(name="shops", entities=[SHOP], source=project.source("s", rows, **NAMED))
    project.store.apply([SHOP, inferred])
    kinds = {f.name: str(f.dtype) for f in project.store.get_feature_view("shops").features}
    assert kinds == {"sales": str(Float64), "tags": "Array(String)", "text": str(String)}
    assert str(Int64) not in kinds.values()
