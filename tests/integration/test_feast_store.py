"""Feast on our offline store: training rows, the registry, the online store and its staleness."""

import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
import yaml

from configs.errors import BadConfig, NoRows, Transient
from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from configs.settings import ROOT, settings
from tasks.features import feast_command, feast_store, online_store, retrieval
from tasks.ingestion import feature_refresh
from tasks.storage.lake import open_lake
from tests.support.lake_rows import START, land_rows
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOON = START + 3 * DAY + 17 * HOUR
TTL = {
    "airport_ops": 2 * HOUR, "carrier_ops": 6 * HOUR, "route_daily": 3 * DAY,
    "tail_last": 2 * DAY, "weather": 3 * HOUR, "planes": 36500 * DAY,
}  # fmt: skip
KEYS = {
    "airport_ops": ["origin"], "carrier_ops": ["carrier", "origin"],
    "route_daily": ["carrier", "origin", "dest"], "tail_last": ["tailnum"],
    "weather": ["origin"], "planes": ["tailnum"],
}  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Feature tables up to noon (in New York) of 4 January, which no test writes to."""
    place = tmp_path_factory.mktemp("lake")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAINSPRING_LAKE", str(place))
        settings.cache_clear()
        use_case = load_use_case("flights")
        land_rows(use_case, START - 30 * DAY, NOON)
        feature_refresh.refresh_features(use_case, NOON)
        settings.cache_clear()
    return place


@pytest.fixture
def flights(home: Path, lake: Path, monkeypatch: pytest.MonkeyPatch) -> UseCase:
    """The lake's use case, with a registry and an online store of this test alone, in files."""
    monkeypatch.setenv("MAINSPRING_LAKE", str(lake))
    settings.cache_clear()
    use_case = load_use_case("flights")
    feast_store.register_features(use_case)
    return use_case


@pytest.fixture(params=["files", "servers"])
def published(
    request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch
) -> UseCase:
    """As `flights`, and also with its registry in PostgreSQL and its online store in Redis."""
    if request.param == "servers":
        postgres: Postgres = request.getfixturevalue("postgres")
        redis: RedisServer = request.getfixturevalue("redis")
        monkeypatch.setenv("MAINSPRING_FEAST_REGISTRY", postgres.database("feast"))
        monkeypatch.setenv("MAINSPRING_FEAST_ONLINE", redis.database())
    use_case: UseCase = request.getfixturevalue("flights")
    return use_case


def join_every_pair(use_case: UseCase, spine: pl.DataFrame, view: str) -> pl.DataFrame:
    """A view's features for the spine, by joining every pair and picking the latest known."""
    rows = open_lake(use_case.name).scan(f"features/{view}").collect()
    time = pl.col("prediction_time")
    names = [c for c in rows.columns if c not in KEYS[view] and not c.endswith("_timestamp")]
    numbered = spine.with_row_index("row")
    picked = (
        numbered.select("row", "prediction_time", *KEYS[view])
        .join(rows, on=KEYS[view])
        .filter(pl.col("event_timestamp") <= time, pl.col("created_timestamp") <= time)
        .filter(pl.col("event_timestamp") >= time - TTL[view])
        .sort("event_timestamp", "created_timestamp")
        .unique("row", keep="last")
    )
    return numbered.join(picked.select("row", *names), on="row", how="left").sort("row")[names]


def test_join_features_keeps_the_order_of_the_spine(flights: UseCase) -> None:
    spine = retrieval.build_spine(flights, START + 2 * DAY, NOON, NOON).sample(
        fraction=1, shuffle=True, seed=1
    )
    found = retrieval.join_features(flights, spine)
    assert found.select(spine.columns).equals(spine)
    for view in flights.features.views:
        expected = join_every_pair(flights, spine, view)
        assert expected.null_count().sum_horizontal().item() < expected.height * expected.width
        assert found.select(expected.columns).equals(expected), view


def test_training_set_is_labelled_and_in_order_of_prediction(flights: UseCase) -> None:
    rows = retrieval.build_training_set(flights, START, NOON, NOON)
    assert rows["prediction_time"].is_sorted()
    assert rows["late"].null_count() == 0
    assert (rows["label_known_time"] <= NOON).all()
    assert set(flights.features.inputs) <= set(rows.columns)
    with pytest.raises(NoRows, match="no label"):
        retrieval.build_training_set(flights, NOON, NOON + DAY, NOON)


def test_apply_changes_the_registry_once(published: UseCase) -> None:
    assert not feast_store.register_features(published)
    online_store.publish_features(published, NOON)
    assert not feast_store.register_features(published)


def test_views_that_the_yaml_does_not_name_are_refused(flights: UseCase) -> None:
    fewer = flights.features.model_copy(update={"views": flights.features.views[1:]})
    with pytest.raises(BadConfig, match=r"`features\.views` is"):
        feast_store.register_features(flights.model_copy(update={"features": fewer}))


def online(use_case: UseCase, spine: pl.DataFrame) -> pl.DataFrame:
    """What the online store answers for the entities of the spine."""
    feast = feast_store.open_feast_store(use_case)
    keys = ["carrier", "origin", "dest", "tailnum"]
    service = feast.get_feature_service(use_case.features.service)
    found = feast.get_online_features(service, spine.select(keys).to_dicts()).to_dict()
    return pl.DataFrame(found, strict=False)


def test_online_equals_historical_at_the_moment_of_materializing(published: UseCase) -> None:
    as_of = START + 2 * DAY + 20 * HOUR  # more than a day of later rows is in the tables
    online_store.publish_features(published, as_of)
    asked = retrieval.build_spine(published, as_of, as_of + HOUR, NOON).drop_nulls("tailnum")
    asked = asked.with_columns(prediction_time=pl.lit(as_of))
    expected = retrieval.join_features(published, asked)
    found = online(published, asked)
    assert asked.height > 20
    for name in set(published.features.numeric) - set(asked.columns):
        assert found[name].cast(pl.Float64).equals(expected[name].cast(pl.Float64)), name


def test_before_any_feature_table_there_is_nothing_to_publish(home: Path) -> None:
    use_case = load_use_case("flights")
    online_store.publish_features(use_case, NOON)
    assert online_store.measure_staleness(use_case, NOON)["stale"].all()


def test_an_older_materialize_does_not_put_old_values_online(published: UseCase) -> None:
    asked = retrieval.build_spine(published, NOON, NOON + 3 * HOUR, NOON).drop_nulls("tailnum")
    online_store.publish_features(published, NOON)
    newest = online(published, asked)
    online_store.publish_features(published, NOON - DAY)
    assert online(published, asked).equals(newest)


def test_staleness_is_told_by_the_ttl_of_each_view(published: UseCase) -> None:
    before = online_store.measure_staleness(published, NOON)
    assert before["stale"].all()
    assert before["newest"].null_count() == before.height
    online_store.publish_features(published, NOON)
    assert not online_store.measure_staleness(published, NOON)["stale"].any()
    later = online_store.measure_staleness(published, NOON + 12 * HOUR)
    stale = set(later.filter("stale")["view"])
    assert stale == {"airport_ops", "carrier_ops", "weather"}


def test_dropped_view_leaves_the_online_store(
    published: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = retrieval.build_spine(published, NOON, NOON + 3 * HOUR, NOON).drop_nulls("tailnum")
    online_store.publish_features(published, NOON)
    before, wanted = online(published, asked), feast_store.collect_feature_objects(published)
    fewer = [view for view in wanted.feature_views if view.name != "weather"]
    dropped = wanted._replace(feature_views=fewer, feature_services=[])
    with monkeypatch.context() as patch:
        patch.setattr(feast_store, "collect_feature_objects", lambda _: dropped)
        assert feast_store.register_features(published)
    assert feast_store.register_features(
        published
    )  # it comes back, and nothing of it was published
    assert online_store.measure_staleness(published, NOON).filter("stale")["view"].to_list() == [
        "weather"
    ]
    after = online(published, asked)
    assert before["temperature"].null_count() == 0
    assert after["temperature"].null_count() == after.height
    assert after["airport_delay_1h"].equals(before["airport_delay_1h"])


def test_a_redis_that_is_away_is_told_of_and_may_come_back(
    flights: UseCase, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAINSPRING_FEAST_ONLINE", redis.database())
    settings.cache_clear()
    redis.stop()
    try:
        with pytest.raises(Transient, match=r"redis://\*\*\*@.*cannot be used now"):
            online_store.publish_features(flights, NOON)
    finally:
        redis.start()
    assert online_store.measure_staleness(flights, NOON)["stale"].all()
    online_store.publish_features(flights, NOON)
    assert not online_store.measure_staleness(flights, NOON)["stale"].any()


@pytest.mark.system
def test_feasts_own_command_line_runs_for_a_use_case(
    flights: UseCase, capfd: pytest.CaptureFixture[str]
) -> None:
    assert feast_command.run_feast_command(flights, ["feature-views", "list"]) == 0
    shown = capfd.readouterr().out
    for view in flights.features.views:
        assert view in shown
    assert feast_command.run_feast_command(flights, ["plan"]) == 0
    assert feast_command.run_feast_command(flights, ["apply"]) == 0
    assert feast_command.run_feast_command(flights, ["no-such-command"]) == 2
    assert not feast_store.register_features(flights)  # what `apply` wrote is what we define


@pytest.fixture
def elsewhere(flights: UseCase, monkeypatch: pytest.MonkeyPatch, home: Path) -> UseCase:
    """The same features in files of another store, which feature_store.yaml names."""
    from feast import FeatureService, FeatureView, FileSource

    from feature_repo.flights import views as ours

    views = ModuleType("elsewhere.views")
    for name in flights.features.views:
        path = home / f"{name}.parquet"
        open_lake("flights").scan(f"features/{name}").collect().write_parquet(path)
        view, times = getattr(ours, name), ("event_timestamp", "created_timestamp")
        source = FileSource(
            name=name, path=str(path), timestamp_field=times[0], created_timestamp_column=times[1]
        )
        entities = [getattr(ours, key) for key in KEYS[name]]
        setattr(views, name, FeatureView(
            name=name, entities=entities, ttl=view.ttl, schema=view.schema, source=source
        ))  # fmt: skip
    vars(views).update({key: getattr(ours, key) for keys in KEYS.values() for key in keys})
    parts = [getattr(views, name) for name in flights.features.views]
    views.delay_v1 = FeatureService(name="delay_v1", features=parts)
    monkeypatch.setitem(sys.modules, "elsewhere.views", views)
    content = yaml.safe_load(feast_store.FEAST_CONFIGURATION.read_text())
    content["offline_store"] = {"type": "tests.support.offline_store.PairsOfflineStore"}
    content["registry"]["path"] = f"sqlite:///{home}/elsewhere.db"
    (home / "feature_store.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setattr(feast_store, "FEAST_CONFIGURATION", home / "feature_store.yaml")
    features_of = flights.features.model_copy(update={"module": "elsewhere.transforms"})
    return flights.model_copy(update={"features": features_of})


def test_another_store_of_feasts_takes_over(flights: UseCase, elsewhere: UseCase) -> None:
    spine = retrieval.build_spine(flights, NOON - 2 * HOUR, NOON, NOON)
    found = retrieval.join_features(elsewhere, spine)
    row = spine.filter(pl.col("tailnum").is_not_null()).head(1)
    told = retrieval.trace_features(elsewhere, row)
    assert online_store.measure_staleness(elsewhere, NOON)["stale"].all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            feast_store, "FEAST_CONFIGURATION", ROOT / "feature_repo" / "feature_store.yaml"
        )
        assert found.equals(retrieval.join_features(flights, spine).select(found.columns))
        assert told == retrieval.trace_features(flights, row)
    assert found.height == spine.height > 50
    assert found["airport_delay_24h"].null_count() == 0


def test_a_table_that_was_never_written_is_named(flights: UseCase) -> None:
    moved = flights.model_copy(update={"name": "nothing"})
    spine = retrieval.build_spine(flights, START, START + DAY, NOON)
    with pytest.raises(FileNotFoundError, match=r"features/\w+: Delta table not found"):
        retrieval.join_features(moved, spine)
