"""Training-serving skew: features of logged requests against those that the lake knew then.

The features of a sample are joined again, point in time, at the moment of each request. A value
that differs has a reason:

- `not_published`: the lake knew a newer row than the online store had.
- `corrected`: the row is the same, and its value in the lake is another one now.
- `stale`: the row was older than its view's ttl online, so its features were null.
- `other`: the caller gave another value, or the cause is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from configs.schema.use_case import UseCase
from tasks.features import retrieval
from tasks.features.raw_tables import EVENT
from tasks.monitoring.measurements import Measurement
from tasks.storage.logged_requests import (
    JSON_TYPES,
    decode_fields,
    decode_keys,
    list_declared_types,
    scan_requests,
)

SKEW = "skew"
REASONS = ("not_published", "corrected", "stale", "other")
_CLOSE = 1e-6
_SAME_ROW = timedelta(seconds=1)
_SAME_ROW_US = 10**6


@dataclass(frozen=True)
class ViewSkew:
    """Compared and differing values of a view, and the latter by reason."""

    view: str
    compared: int
    differing: Mapping[str, int]

    @property
    def share(self) -> float:
        """The share of values that differ."""
        return sum(self.differing.values()) / self.compared if self.compared else 0.0


def measure_skew(use_case: UseCase, version: int, as_of: datetime) -> list[Measurement]:
    """Measure the share of differing values by view, and by view and reason without a verdict.

    Nothing is measured without logged requests of the version in the window.

    Args:
        use_case: the use case, with the inputs and the service of the version.
        version: the version whose requests are compared.
        as_of: end of the window.
    """
    start, measured = as_of - use_case.monitor.window, []
    rule = use_case.serving.skew if use_case.serving else None
    for each in compare_logged_features(use_case, version, start, as_of):
        assert rule is not None
        is_bad = each.share > rule.share
        measured.append(
            Measurement(
                "online", f"{SKEW}:{each.view}", start, as_of, value=each.share,
                threshold=rule.share, rows=each.compared, verdict=rule.severity if is_bad else "ok",
            )
        )  # fmt: skip
        measured += [
            Measurement(
                "online", f"{SKEW}:{each.view}:{reason}", start, as_of,
                value=each.differing[reason] / each.compared, rows=each.differing[reason],
            )
            for reason in REASONS if each.differing.get(reason)
        ]  # fmt: skip
    return measured


def compare_logged_features(
    use_case: UseCase, version: int, start: datetime, end: datetime
) -> list[ViewSkew]:
    """Return the skew of each view over a sample of the requests in [start, end).

    Nothing is compared if the log lacks keys by which features are read, or has their hashes.
    """
    sample = _read_sample(use_case, version, start, end)
    if sample.is_empty():
        return []
    spine = _build_spine(use_case, sample)
    offline = retrieval.join_features(use_case, spine)
    times = retrieval.read_source_times(use_case, spine)
    logged = [json.loads(text) for text in sample["inputs"]]
    skews = []
    for view, names in retrieval.list_view_features(use_case).items():
        ages = [json.loads(text).get(view) for text in sample["feature_ages"]]
        online = sample["moment"] - _to_duration(ages)
        pairs = {name: ([row[name] for row in logged], offline[name])
                 for name in names if name in logged[0]}  # fmt: skip
        stale = sample["stale_features"] > 0
        skews.append(compare_view(view, pairs, stale, online, times[f"{view}__{EVENT}"]))
    return skews


def _to_duration(seconds: Sequence[float | None]) -> pl.Series:
    return (pl.Series(seconds, dtype=pl.Float64) * 1e6).cast(pl.Int64).cast(pl.Duration("us"))


def _read_sample(use_case: UseCase, version: int, start: datetime, end: datetime) -> pl.DataFrame:
    """Return logged rows; ids of requests are random, so the first ones are a sample."""
    serving = use_case.serving
    if serving is None or serving.log is None or (requests := scan_requests(use_case)) is None:
        return pl.DataFrame()
    hidden = {*serving.log.leave_out, *serving.log.hashed}
    if hidden & {*use_case.spine.key, *retrieval.list_join_keys(use_case)}:
        return pl.DataFrame()
    moment = pl.col("moment")
    inside = requests.filter(moment >= start, moment < end, model_version=version)
    return inside.sort("request_id", "row").head(serving.skew.rows).collect()


def _build_spine(use_case: UseCase, sample: pl.DataFrame) -> pl.DataFrame:
    """Return keys and join keys of logged rows, with the moment as their prediction time."""
    types = list_declared_types(use_case)
    joins = {
        name: JSON_TYPES[types.get(name, "text")] for name in retrieval.list_join_keys(use_case)
        if name not in use_case.spine.key
    }  # fmt: skip
    return sample.select(
        *decode_keys(use_case, pl.col("keys")),
        *(decode_fields(pl.col("inputs"), joins) if joins else ()),
        pl.col("moment").alias(use_case.spine.time),
    )


def compare_view(
    view: str,
    pairs: Mapping[str, tuple[Sequence[Any], pl.Series]],
    stale: pl.Series,
    online: pl.Series,
    known: pl.Series,
) -> ViewSkew:
    """Compare the values of a view.

    Args:
        view: its name.
        pairs: the logged and the joined values of each feature.
        stale: whether a row had stale features.
        online: event time of the row that was read online; null without one.
        known: event time of the row that the lake knew; null without one.
    """
    differing = dict.fromkeys(REASONS, 0)
    for logged, joined in pairs.values():
        is_null = pl.Series([value is None for value in logged], dtype=pl.Boolean)
        newer = (known > online + _SAME_ROW) | (online.is_null() & is_null & known.is_not_null())
        reasons = pl.select(
            pl.when(is_null & stale).then(pl.lit("stale"))
            .when(newer).then(pl.lit("not_published"))
            .when((known - online).dt.total_microseconds().abs() <= _SAME_ROW_US)
            .then(pl.lit("corrected"))
            .otherwise(pl.lit("other"))
        ).to_series()  # fmt: skip
        for reason, count in reasons.filter(_differ(logged, joined)).value_counts().iter_rows():
            differing[reason] += count
    return ViewSkew(view, stale.len() * len(pairs), differing)


def _differ(logged: Sequence[Any], offline: pl.Series) -> pl.Series:
    """Return whether each value differs; numbers by more than their float32 digits."""
    if not (offline.dtype.is_numeric() or offline.dtype == pl.Boolean):
        texts = pl.Series([None if v is None else str(v) for v in logged], dtype=pl.String)
        return texts.ne_missing(offline.cast(pl.String))
    numbers = [None if v is None else float(v) for v in logged]
    ours, theirs = pl.Series(numbers, dtype=pl.Float64), offline.cast(pl.Float64).fill_nan(None)
    near = (ours - theirs).abs() <= _CLOSE * pl.select(
        pl.max_horizontal(theirs.abs(), pl.lit(1.0))
    ).to_series()
    return ~(near.fill_null(value=False) | (ours.is_null() & theirs.is_null()))
