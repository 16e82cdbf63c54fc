"""A use case's Feast store: its configuration, what is registered, and what is online.

One file configures Feast, feature_repo/feature_store.yaml. Its variables are named like the
settings and filled from them here, and from the environment by the `feast` command.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from io import StringIO
from string import Template
from typing import TYPE_CHECKING, Any

import polars as pl
import yaml

from configs.errors import BadConfig, Transient
from configs.schema.data import Features
from configs.schema.use_case import UseCase
from configs.settings import ROOT, settings
from configs.urls import feast_redis, is_redis, shown
from infra.storage.errors import storage_errors
from tasks.storage.database import database_errors, hold_database_lock
from tasks.storage.lake import open_lake

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore, FeatureView
    from feast.repo_contents import RepoContents


FEAST_CONFIGURATION = ROOT / "feature_repo" / "feature_store.yaml"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_opened: dict[tuple[str, str, Features], ServedFeatures] = {}  # a process' code stays as it is


@dataclass(frozen=True)
class ServedFeatures:
    """A feature service as it is registered: the store that answers for it, and its views, each
    with the part of it that the service takes.
    """

    store: FeatureStore
    service: FeatureService
    views: list[FeatureView]


def open_feast_store(use_case: UseCase) -> FeatureStore:
    """Feast's store of a use case, where the settings put it."""
    from feast import FeatureStore, RepoConfig

    places = settings()
    filled = Template(FEAST_CONFIGURATION.read_text()).substitute(
        MAINSPRING_USE_CASE=use_case.name,
        MAINSPRING_LAKE=places.lake,
        MAINSPRING_FEAST_REGISTRY=places.feast_registry,
        MAINSPRING_FEAST_ONLINE=places.feast_online,
    )
    configuration = yaml.safe_load(filled)
    if is_redis(places.feast_online):
        address = feast_redis(places.feast_online)
        configuration["online_store"] = {"type": "redis", "connection_string": address}
    store = FeatureStore(config=RepoConfig(**configuration, repo_path=FEAST_CONFIGURATION.parent))
    with hold_database_lock(places.feast_registry), feast_errors():
        assert store.registry is not None  # it makes its tables when it is first asked for
    return store


@contextmanager
def feast_errors() -> Iterator[None]:
    """Transient where registry or online store cannot be used now, CannotWrite where the disk
    below one takes no more; all other errors pass.
    """
    registry, online = settings().feast_registry, settings().feast_online
    try:
        with database_errors(registry), storage_errors(shown(online)):
            yield
    except _redis_errors(online) as failed:
        raise Transient(f"{shown(online)} cannot be used now: {failed}") from failed


def _redis_errors(online: str) -> tuple[type[Exception], ...]:
    """What Redis raises when it cannot be reached; who has none does not import it."""
    if not is_redis(online):
        return ()
    from redis.exceptions import ConnectionError, TimeoutError

    return (ConnectionError, TimeoutError)


@feast_errors()
def register_features(use_case: UseCase) -> bool:
    """Register the use case's Feast objects where they differ; whether any did.

    BadConfig if the YAML's views or service are not those of the module `views`.
    """
    from feast.diff.property_diff import TransitionType
    from feast.diff.registry_diff import diff_between

    wanted = feature_objects(use_case)
    store = open_feast_store(use_case)
    found = diff_between(store.registry, store.project, wanted).feast_object_diffs
    changes = [d for d in found if _differs(d)]
    gone = [d.current_feast_object for d in changes if d.transition_type == TransitionType.DELETE]
    if changes:
        described = [*wanted.data_sources, *wanted.entities, *wanted.feature_views]
        store.apply([*described, *wanted.feature_services], objects_to_delete=gone, partial=False)
    return bool(changes)


def open_served_features(use_case: UseCase) -> ServedFeatures:
    """The use case's feature service, registered if it was not; a process reads it once."""
    this = (settings().model_dump_json(), use_case.name, use_case.features)
    if this not in _opened:
        register_features(use_case)
        store = open_feast_store(use_case)
        service = store.get_feature_service(use_case.features.service)
        parts = service.feature_view_projections
        views = (store.get_feature_view(part.name).with_projection(part) for part in parts)
        _opened[this] = ServedFeatures(store, service, list(views))
    return _opened[this]


@feast_errors()
def publish_features(use_case: UseCase, as_of: datetime) -> None:
    """Publish the newest rows known by `as_of`, and not expired then, to the online store.

    A view that was published as of a later moment stays as it is: an online store has no past. One
    whose table does not exist yet has nothing to publish.
    """
    register_features(use_case)
    store = open_feast_store(use_case)
    lake = open_lake(use_case.name)
    for view in _views(store, use_case):
        done = view.most_recent_end_time
        table = _table(view)
        there = table is None or lake.exists(table)
        if there and (done is None or done <= as_of):
            start = as_of - view.ttl if view.ttl else _EPOCH
            with redirect_stdout(StringIO()):  # Feast prints its progress
                store.materialize(start, as_of, feature_views=[view.name])


@feast_errors()
def measure_staleness(use_case: UseCase, as_of: datetime) -> pl.DataFrame:
    """How old each view is online, which Feast does not check: a row a view, `view`, `newest` (the
    newest event that was published; null if none was), `age` at `as_of`, `ttl` (null: never too
    old) and `stale`.
    """
    views = _views(open_feast_store(use_case), use_case)
    newest = [_newest_published(use_case, view) for view in views]
    return pl.DataFrame(
        {
            "view": [view.name for view in views],
            "newest": pl.Series(newest, dtype=pl.Datetime("us", "UTC")),
            "ttl": pl.Series([view.ttl or None for view in views], dtype=pl.Duration("us")),
        }
    ).with_columns(
        age=as_of - pl.col("newest"),
        stale=pl.col("newest").is_null()
        | (as_of - pl.col("newest") > pl.col("ttl")).fill_null(False),
    )


def _newest_published(use_case: UseCase, view: FeatureView) -> datetime | None:
    """The newest event of a view's rows that were known when it was last published; of a source
    that is not in the lake, and so not ours to read, when that was.
    """
    done: datetime | None = view.most_recent_end_time
    table, source = _table(view), view.batch_source
    if done is None or table is None:
        return done
    rows = open_lake(use_case.name).scan(table)
    event, created = pl.col(source.timestamp_field), pl.col(source.created_timestamp_column)
    newest: datetime | None = (
        rows.filter(event <= done, created <= done).select(event.max()).collect().item()
    )
    return newest


def _table(view: FeatureView) -> str | None:
    """The view's table in the lake; None if another store of Feast's keeps it elsewhere."""
    return getattr(view.batch_source, "table_in_lake", None)


def _differs(diff: Any) -> bool:  # noqa: ANN401
    """Whether Feast means it: a view that was materialized always differs in its source, by when
    that was made. What really changes a source is a difference of the source itself.
    """
    from feast.diff.property_diff import TransitionType

    if diff.transition_type == TransitionType.UPDATE:
        return any(p.property_name != "batch_source" for p in diff.feast_object_property_diffs)
    return bool(diff.transition_type != TransitionType.UNCHANGED)


def _views(store: FeatureStore, use_case: UseCase) -> list[FeatureView]:
    return [store.get_feature_view(name) for name in use_case.features.views]


def feature_objects(use_case: UseCase) -> RepoContents:
    """The Feast objects of the module `views` beside the use case's transforms."""
    from feast import Entity, FeatureService, FeatureView, Project
    from feast.feature_view import DUMMY_ENTITY
    from feast.repo_contents import RepoContents

    name = use_case.features.module.rpartition(".")[0] + ".views"
    there = list(vars(import_module(name)).values())

    def of(kind: type[Any]) -> list[Any]:  # copies: Feast notes in them what it did
        return [deepcopy(thing) for thing in there if isinstance(thing, kind)]

    views, services = of(FeatureView), of(FeatureService)
    _same_names(use_case, name, "views", {view.name for view in views})
    if use_case.features.service not in {service.name for service in services}:
        raise BadConfig(f"{name} has no feature service {use_case.features.service!r}")
    return RepoContents(
        projects=[Project(name=use_case.name)],
        data_sources=[view.batch_source for view in views],
        entities=[*of(Entity), DUMMY_ENTITY],  # Feast keeps it for views without entities
        feature_views=views,
        feature_services=services,
        on_demand_feature_views=[],
        stream_feature_views=[],
        label_views=[],
        permissions=[],
    )


def _same_names(use_case: UseCase, module: str, field: str, names: set[str]) -> None:
    if names != set(use_case.features.views):
        raise BadConfig(
            f"{use_case.name}.yaml: features.{field} are {sorted(use_case.features.views)}, "
            f"but {module} defines {sorted(names)}; they must be the same"
        )
