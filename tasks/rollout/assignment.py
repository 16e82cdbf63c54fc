"""Rollout arms: an entity's arm is drawn once, by a hash, and kept as the share grows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime
from hashlib import blake2b

import polars as pl

from configs.clock import as_utc

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"


def rollout_salt(use_case: str, challenger: int) -> str:
    """Return the salt of a rollout's draw, so that two challengers get different entities."""
    return f"{use_case}:{challenger}"


def entity_position(entity: Iterable[object], salt: str) -> float:
    """Return the fixed position of an entity in [0, 1); below the share it gets the challenger.

    53 bits of the blake2b hash of the JSON array [salt, value, …], ASCII without spaces. In it a
    missing value and NaN are null; a number without fraction is written as an integer; a date as
    2013-01-31; a time (UTC if it has no zone) as 2013-01-31T18:05:00.000000Z.
    """
    text = json.dumps([salt, *map(_to_json, entity)], separators=(",", ":"))
    digest = blake2b(text.encode("ascii"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def assign_entity_arm(entity: Iterable[object], salt: str, share: float) -> str:
    """Return the arm of one entity, `champion` or `challenger`."""
    return CHALLENGER if entity_position(entity, salt) < share else CHAMPION


def assign_arms(entities: pl.DataFrame, salt: str, share: float) -> pl.Series:
    """Return the arm of each row, `champion` or `challenger`; all columns are the entity's key."""
    unique = entities.unique(maintain_order=True)
    arms = [assign_entity_arm(row, salt, share) for row in unique.iter_rows()]
    rows = entities.join(
        unique.with_columns(pl.Series("__arm", arms, pl.String)),
        on=entities.columns,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    return rows["__arm"].alias("arm")


def _to_json(value: object) -> object:
    if isinstance(value, datetime):
        return f"{as_utc(value):%Y-%m-%dT%H:%M:%S.%f}Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value != value:
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value
