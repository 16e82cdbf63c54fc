"""Parcels that are served: two versions, the first one champion, features published."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from configs.schema.serving import Serving
from configs.schema.use_case import UseCase
from tasks.features.online_store import publish_features
from tests.support.parcel_rows import APRIL, DAY, MARCH, parcel_rows
from tests.support.small_case import SmallCase, small_case

NOW = APRIL + DAY


@contextmanager
def served_case(folder: Path, **serving: object) -> Iterator[SmallCase]:
    """Parcels with a `serving` section; rows of the last day are not predicted yet."""
    with small_case(folder, yaml={"serving": serving}) as parcels:
        rows = parcel_rows(MARCH, days=41)
        parcels.land("spring", rows.filter(pl.col("sent") < APRIL))
        parcels.ingest(APRIL)
        for moment in (APRIL - DAY, APRIL):
            parcels.train(moment)
        parcels.promote(1, APRIL)
        parcels.land("day", rows.filter(pl.col("sent") >= APRIL), at=APRIL)
        parcels.ingest(NOW)
        publish_features(parcels.use_case, NOW)
        yield parcels


def with_serving(use_case: UseCase, **limits: object) -> UseCase:
    """The use case with other limits."""
    return use_case.model_copy(update={"serving": Serving.model_validate(limits)})
