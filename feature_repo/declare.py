"""Builders of Feast entities and views for a use case."""

from datetime import timedelta

from feast import Entity, FeatureView, Field, ValueType
from feast.types import Bool, Float64, Int64, String, from_value_type

from feature_repo.delta import DeltaSource

FOREVER = timedelta(0)
"""A ttl without limit: a row of the view never expires."""


def text_key(name: str, description: str = "") -> Entity:
    """Return an entity whose key is a text."""
    return Entity(name=name, value_type=ValueType.STRING, description=description)


def integer_key(name: str, description: str = "") -> Entity:
    """Return an entity whose key is an integer."""
    return Entity(name=name, value_type=ValueType.INT64, description=description)


def time_key(name: str, description: str = "") -> Entity:
    """Return an entity whose key is a time, usually beside another key."""
    return Entity(name=name, value_type=ValueType.UNIX_TIMESTAMP, description=description)


def view(
    name: str,
    keys: tuple[Entity, ...],
    ttl: timedelta,
    *,
    numbers: tuple[str, ...] = (),
    counts: tuple[str, ...] = (),
    texts: tuple[str, ...] = (),
    flags: tuple[str, ...] = (),
) -> FeatureView:
    """Return the view of the feature table `features/<name>`.

    Args:
        name: name of view and table.
        keys: entities that identify a row.
        ttl: age at which the newest row expires (FOREVER: never).
        numbers: float columns.
        counts: integer columns.
        texts: text columns.
        flags: boolean columns.
    """
    kinds = {Float64: numbers, Int64: counts, String: texts, Bool: flags}
    return FeatureView(
        name=name,
        entities=list(keys),
        ttl=ttl,
        schema=[
            *(Field(name=key.name, dtype=from_value_type(key.value_type)) for key in keys),
            *(Field(name=name, dtype=kind) for kind, names in kinds.items() for name in names),
        ],
        source=DeltaSource(name=name, table=f"features/{name}"),
    )
