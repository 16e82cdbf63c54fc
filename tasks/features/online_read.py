"""Features of single entities from Feast's online store, for predictions on request.

Feast does not check the age of a row that it reads online. Here a row older than its view's ttl
counts as stale, and its features are null.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

from configs.clock import as_utc
from configs.errors import BadConfig, Transient
from configs.schema.base import ColumnType
from configs.schema.use_case import UseCase
from configs.settings import settings
from configs.urls import is_redis, shown
from tasks.features.feast_store import collect_feature_objects, open_served_features

if TYPE_CHECKING:
    from feast import FeatureView
    from feast.protos.feast.types.Value_pb2 import Value as ValueProto

RequestColumns = Mapping[str, Sequence[Any]]
"""Values by column name: the rows of a request, without a data frame."""
_RETRY_SECONDS = 5.0  # after a failure to open the store
_TYPES: Mapping[str, ColumnType] = {
    "STRING": "text", "INT32": "integer", "INT64": "integer", "FLOAT": "number",
    "DOUBLE": "number", "FLOAT32": "number", "FLOAT64": "number", "BOOL": "boolean",
    "UNIX_TIMESTAMP": "time",
}  # fmt: skip


@dataclass(frozen=True)
class OnlineView:
    """A feature view as a service has it: join keys and features with their types."""

    name: str
    keys: Mapping[str, ColumnType]
    features: Mapping[str, ColumnType]
    ttl: timedelta | None


@dataclass(frozen=True)
class OnlineRows:
    """Features of rows by name, and by view which rows are missing or stale."""

    columns: dict[str, list[Any]]
    missing: dict[str, list[bool]]
    stale: dict[str, list[bool]]
    ages: dict[str, float]
    """Age in seconds of the oldest row that was read of each view."""


def list_service_views(use_case: UseCase, service: str) -> list[OnlineView]:
    """Return the views of a feature service, as the feature module defines them.

    Raises:
        BadConfig: the module has no such service.
    """
    objects = collect_feature_objects(use_case)
    entities = {entity.name: entity for entity in objects.entities}
    views = {view.name: view for view in objects.feature_views}
    services = {each.name: each for each in objects.feature_services}
    if service not in services:
        raise BadConfig(
            f"{use_case.name}: feature service {service!r} not found, and a version that serves "
            "needs it. Define it again in the feature module"
        )
    return [
        OnlineView(
            projection.name,
            {
                entities[name].join_key: _TYPES[entities[name].value_type.name]
                for name in views[projection.name].entities
                if name != "__dummy"
            },
            {field.name: _find_type(field.dtype) for field in projection.features},
            views[projection.name].ttl or None,
        )
        for projection in services[service].feature_view_projections
    ]


def _find_type(dtype: Any) -> ColumnType:  # noqa: ANN401
    return _TYPES.get(dtype.to_value_type().name, "text")


class OnlineReader:
    """Reads features of a use case's online store; opened at the first read."""

    def __init__(self, use_case: UseCase) -> None:
        self._use_case, self._store = use_case, shown(settings().feast_online)
        self._opened: dict[str, tuple[Any, dict[str, FeatureView]]] = {}
        self._failed_at = -_RETRY_SECONDS
        # one connection of SQLite serves all threads
        self._lock: AbstractContextManager[object] = (
            nullcontext() if is_redis(settings().feast_online) else Lock()
        )

    def read(
        self,
        service: str,
        views: Sequence[OnlineView],
        columns: RequestColumns,
        count: int,
        moment: datetime,
    ) -> OnlineRows:
        """Read the features of rows, each view once for all rows.

        Args:
            service: feature service of the views.
            views: the views to read.
            columns: the join keys of the rows.
            count: number of rows.
            moment: time at which the age of a row counts.

        Raises:
            Transient: the store or its registry cannot be used now.
        """
        rows = OnlineRows({}, {}, {}, {})
        with self._lock, self._errors():
            store, opened = self._open(service)
            for view in views:
                values = [columns[key] for key in view.keys]
                entities = list(zip(*values, strict=True)) if values else [()] * count
                answers = _read_view(store, opened[view.name], view, entities)
                _add_view(rows, view, [answers.get(each) for each in entities], moment)
        return rows

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise Transient for every error: each store has errors of its own."""
        try:
            yield
        except Transient:
            raise
        except Exception as error:
            raise Transient(f"{self._store} cannot be used now: {error}") from error

    def prepare(self, services: Iterable[str]) -> None:
        """Open the store for these services now: its libraries take seconds to import.

        A store that cannot be opened is tried again by `read`.
        """
        for service in services:
            with suppress(Transient), self._lock, self._errors():
                self._open(service)

    def _open(self, service: str) -> tuple[Any, dict[str, FeatureView]]:
        """Return store and views; after a failure it is not tried again for some seconds."""
        if service not in self._opened:
            if time.monotonic() - self._failed_at < _RETRY_SECONDS:
                raise Transient(f"{self._store} could not be opened just now")
            features = self._use_case.features.model_copy(update={"service": service})
            try:
                served = open_served_features(
                    self._use_case.model_copy(update={"features": features})
                )
            except Exception:
                self._failed_at = time.monotonic()
                raise
            self._opened[service] = served.store, {view.name: view for view in served.views}
        return self._opened[service]


_Answer = tuple[datetime, Mapping[str, "ValueProto"]]


def _read_view(
    store: Any,  # noqa: ANN401
    opened: FeatureView,
    view: OnlineView,
    entities: Sequence[tuple[Any, ...]],
) -> dict[tuple[Any, ...], _Answer]:
    """Return the row of each entity that the store has; an entity with a null key has none."""
    from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    unique = [entity for entity in dict.fromkeys(entities) if None not in entity]
    if view.keys:
        names, types = list(view.keys), list(view.keys.values())
        keys = [
            EntityKey(join_keys=names, entity_values=map(_to_proto, entity, types))
            for entity in unique
        ]
    else:
        dummy = Value(string_val=DUMMY_ENTITY_VAL)
        keys = [EntityKey(join_keys=[DUMMY_ENTITY_ID], entity_values=[dummy])] if unique else []
    if not keys:
        return {}
    rows = store._get_provider().online_read(
        config=store.config,
        table=opened,
        entity_keys=keys,
        requested_features=list(view.features),  # a copy: the store of Redis appends to it
    )
    pairs = zip(unique, rows, strict=True)
    return {
        entity: (as_utc(at), values) for entity, (at, values) in pairs if at is not None and values
    }


def _to_proto(value: Any, kind: ColumnType) -> ValueProto:  # noqa: ANN401
    """Return a key as Feast stores it."""
    from feast.protos.feast.types.Value_pb2 import Value

    if kind == "integer":
        return Value(int64_val=value)
    if kind == "time":
        return Value(unix_timestamp_val=int(as_utc(value).timestamp()))
    if kind == "number":
        return Value(double_val=value)
    return Value(bool_val=value) if kind == "boolean" else Value(string_val=value)


def _add_view(
    rows: OnlineRows, view: OnlineView, answers: Sequence[_Answer | None], moment: datetime
) -> None:
    """Add the features of one view to the rows; those of a stale row are null."""
    ages = [None if each is None else moment - each[0] for each in answers]
    stale = [age is not None and view.ttl is not None and age > view.ttl for age in ages]
    fresh = [
        {} if each is None or is_stale else each[1]
        for each, is_stale in zip(answers, stale, strict=True)
    ]
    for name in view.features:
        rows.columns[name] = [_from_proto(values.get(name)) for values in fresh]
    rows.missing[view.name] = [age is None for age in ages]
    rows.stale[view.name] = stale
    known = [age.total_seconds() for age in ages if age is not None]
    if known:
        rows.ages[view.name] = max(known)


def _from_proto(value: ValueProto | None) -> Any:  # noqa: ANN401
    """Return a stored value; None if it is null or was not stored."""
    kind = None if value is None else value.WhichOneof("val")
    return None if kind in (None, "null_val") else getattr(value, kind)
