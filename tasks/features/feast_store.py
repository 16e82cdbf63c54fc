"""Feast feature store of a use case: configuration, registration, online publishing, staleness.

feature_repo/feature_store.yaml configures Feast. Its variables are named like the settings. They
are filled from the settings here, and from the environment by the `feast` command.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module
from string import Template
from typing import TYPE_CHECKING, Any

import yaml

from configs.errors import BadConfig, Transient
from configs.schema.data import Features
from configs.schema.use_case import UseCase
from configs.settings import ROOT, settings
from configs.urls import feast_redis, is_redis, shown
from infra.storage.errors import storage_errors
from tasks.storage.database import database_errors, hold_database_lock

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore, FeatureView
    from feast.repo_contents import RepoContents


FEAST_CONFIGURATION = ROOT / "feature_repo" / "feature_store.yaml"
_opened: dict[tuple[str, str, Features], ServedFeatures] = {}  # code cannot change in a process


@dataclass(frozen=True)
class ServedFeatures:
    """A registered feature service, its store, and its views projected to what it serves."""

    store: FeatureStore
    service: FeatureService
    views: list[FeatureView]


def build_feast_configuration(use_case: UseCase) -> dict[str, Any]:
    """Return Feast's configuration of a use case, at the addresses of the settings."""
    config = settings()
    places = {
        "USE_CASE": use_case.name,
        "LAKE": config.lake,
        "FEAST_REGISTRY": config.feast_registry,
        "FEAST_ONLINE": config.feast_online,
    }
    # as quoted texts: in YAML a path may mean something else, like `#1` or `{x}`
    quoted = {f"MAINSPRING_{name}": json.dumps(value) for name, value in places.items()}
    filled = Template(FEAST_CONFIGURATION.read_text()).substitute(quoted)
    configuration: dict[str, Any] = yaml.safe_load(filled)
    if is_redis(config.feast_online):
        address = feast_redis(config.feast_online)
        configuration["online_store"] = {"type": "redis", "connection_string": address}
    return configuration


def open_feast_store(use_case: UseCase) -> FeatureStore:
    """Open the Feast store of a use case, at the addresses of the settings."""
    from feast import FeatureStore, RepoConfig

    configuration = build_feast_configuration(use_case)
    store = FeatureStore(config=RepoConfig(**configuration, repo_path=FEAST_CONFIGURATION.parent))
    with hold_database_lock(settings().feast_registry), feast_errors():
        assert store.registry is not None  # the first access creates its tables
    return store


@contextmanager
def feast_errors() -> Iterator[None]:
    """Raise Transient if registry or online store is not available, CannotWrite if a disk is full.

    All other errors pass unchanged.
    """
    registry, online = settings().feast_registry, settings().feast_online
    try:
        with database_errors(registry), storage_errors(shown(online)):
            yield
    except _redis_errors(online) as error:
        raise Transient(f"{shown(online)} cannot be used now: {error}") from error


def _redis_errors(online: str) -> tuple[type[Exception], ...]:
    """Return the connection errors of Redis; imports it only if it is configured."""
    if not is_redis(online):
        return ()
    from redis.exceptions import ConnectionError, TimeoutError

    return (ConnectionError, TimeoutError)


@feast_errors()
def register_features(use_case: UseCase) -> bool:
    """Register the use case's Feast objects that differ; return whether any did.

    Raises BadConfig if the YAML's views or service are not those of the module `views`.
    """
    from feast.diff.property_diff import TransitionType
    from feast.diff.registry_diff import diff_between

    defined = collect_feature_objects(use_case)
    store = open_feast_store(use_case)
    diffs = diff_between(store.registry, store.project, defined).feast_object_diffs
    changes = [d for d in diffs if _is_real_change(d)]
    deleted = [
        d.current_feast_object for d in changes if d.transition_type == TransitionType.DELETE
    ]
    if changes:
        objects = [*defined.data_sources, *defined.entities, *defined.feature_views]
        objects += defined.feature_services
        store.apply(objects, objects_to_delete=deleted, partial=False)
    return bool(changes)


def open_served_features(use_case: UseCase) -> ServedFeatures:
    """Return the use case's feature service, registered if needed; opened once a process."""
    key = (settings().model_dump_json(), use_case.name, use_case.features)
    if key not in _opened:
        register_features(use_case)
        store = open_feast_store(use_case)
        service = store.get_feature_service(use_case.features.service)
        parts = service.feature_view_projections
        views = (store.get_feature_view(part.name).with_projection(part) for part in parts)
        _opened[key] = ServedFeatures(store, service, list(views))
    return _opened[key]


def _is_real_change(diff: Any) -> bool:  # noqa: ANN401
    """Return whether Feast's diff is a change of the definition."""
    # After a materialization Feast reports the batch source of a view as changed: it compares
    # timestamps. A real change of a source is a diff of the source itself.
    from feast.diff.property_diff import TransitionType

    if diff.transition_type == TransitionType.UPDATE:
        return any(p.property_name != "batch_source" for p in diff.feast_object_property_diffs)
    return bool(diff.transition_type != TransitionType.UNCHANGED)


def collect_feature_objects(use_case: UseCase) -> RepoContents:
    """Return the Feast objects that the use case's module `views` defines."""
    from feast import Entity, FeatureService, FeatureView, Project
    from feast.feature_view import DUMMY_ENTITY
    from feast.repo_contents import RepoContents

    name = use_case.features.module.rpartition(".")[0] + ".views"
    values = list(vars(import_module(name)).values())

    def instances(kind: type[Any]) -> list[Any]:  # copies, because Feast changes its objects
        return [deepcopy(value) for value in values if isinstance(value, kind)]

    views, services = instances(FeatureView), instances(FeatureService)
    _require_views(use_case, name, {view.name for view in views})
    if use_case.features.service not in {service.name for service in services}:
        raise BadConfig(
            f"{name} has no feature service {use_case.features.service!r}. Define it, or change "
            "`features.service`"
        )
    return RepoContents(
        projects=[Project(name=use_case.name)],
        data_sources=[view.batch_source for view in views],
        entities=[*instances(Entity), DUMMY_ENTITY],  # for views without entities
        feature_views=views,
        feature_services=services,
        on_demand_feature_views=[],
        stream_feature_views=[],
        label_views=[],
        permissions=[],
    )


def _require_views(use_case: UseCase, module: str, names: set[str]) -> None:
    """Raise BadConfig unless the module defines exactly the views of the YAML."""
    if names != set(use_case.features.views):
        raise BadConfig(
            f"{use_case.name}.yaml: `features.views` is {sorted(use_case.features.views)}, "
            f"but {module} defines {sorted(names)}. Make them equal"
        )
