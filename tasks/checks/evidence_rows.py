"""Checks of the rows that would judge a model: inputs that give the label away, thin slices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from configs.schema.use_case import UseCase
from tasks.checks.feature_module import FOREVER
from tasks.checks.findings import Finding
from tasks.evaluation.blocks import MIN_BLOCKS, count_blocks
from tasks.evaluation.giveaways import MIN_GIVEAWAY_ROWS, find_giveaways, list_suspects
from tasks.evaluation.problem_types import problem_type_of
from tasks.evaluation.slices import iterate_slices
from tasks.features.feast_store import collect_feature_objects
from tasks.features.raw_tables import CREATED, EVENT, import_feature_module, scan_raw_tables
from tasks.features.retrieval import build_labels, build_spine
from tasks.storage.lake import open_lake
from tasks.training.fit import split_by_time
from tasks.training.holdout_metrics import find_thin_slices

_KNOWN = "__known"


def check_evidence_rows(use_case: UseCase) -> Iterator[Finding]:
    """Join the newest labelled rows in memory, as a holdout would have them, and check them."""
    if not all(open_lake(use_case.name).exists(f"raw/{name}") for name in use_case.tables):
        yield Finding("evidence", "skipped", "nothing ingested yet")
        return
    rows, holdout_start = join_labelled_rows(use_case)
    if rows.height < MIN_GIVEAWAY_ROWS:
        yield Finding("evidence", "skipped", f"only {rows.height} labelled rows")
        return
    yield from _check_giveaways(use_case, rows)
    yield from _check_amounts(use_case, rows.filter(pl.col(use_case.spine.time) >= holdout_start))


def join_labelled_rows(use_case: UseCase) -> tuple[pl.DataFrame, datetime]:
    """Return the labelled rows of the newest validation and holdout spans, with their inputs.

    The time is the start of the holdout of a training on all rows that have landed. Nothing is
    written. A view's newest row known by the prediction time is joined; how old it may be does not
    matter here.
    """
    raw, module = scan_raw_tables(use_case, FOREVER), import_feature_module(use_case)
    end = _find_newest_known(use_case, raw) + timedelta(microseconds=1)
    start = _find_first_needed(use_case, end)
    keys, label, time = use_case.spine.key, use_case.label.column, use_case.spine.time
    labels = build_labels(use_case, start, end, end).select(*keys, label)
    spine = build_spine(use_case, start, end, end)
    labelled = spine.join(labels, on=keys).drop_nulls(label).sort(time)
    parts = split_by_time(labelled, time, use_case.split, end)
    rows, start = parts.judged, parts.validation_start
    for view in collect_feature_objects(use_case).feature_views:
        features = getattr(module, view.name)(raw, start - timedelta(days=31), end).collect()
        names = [each.name for each in view.features if each.name not in rows.columns]
        seen = features.select(
            *view.join_keys, *names, pl.max_horizontal(EVENT, CREATED).alias(_KNOWN)
        ).sort(_KNOWN)
        rows = rows.join_asof(
            seen, left_on=time, right_on=_KNOWN, by=view.join_keys or None, check_sortedness=False
        ).drop(_KNOWN, strict=False)
    return rows, parts.holdout_start


def _find_first_needed(use_case: UseCase, end: datetime) -> datetime:
    """Return the start of both spans; of shares, which need all rows, that of the window."""
    spans = (use_case.split.holdout, use_case.split.validation)
    if all(isinstance(span, timedelta) for span in spans):
        return end - sum((span for span in spans if isinstance(span, timedelta)), timedelta(0))
    return end - use_case.retrain.window


def _find_newest_known(use_case: UseCase, raw: dict[str, pl.LazyFrame]) -> datetime:
    times = [
        raw[name].select(pl.col(table.known_time).max().alias("known"))
        for name, table in use_case.tables.items()
    ]
    newest = pl.concat(times).max().collect().item()
    assert isinstance(newest, datetime)
    return newest


def _check_giveaways(use_case: UseCase, rows: pl.DataFrame) -> Iterator[Finding]:
    suspects, label = list_suspects(use_case, rows), use_case.label
    giveaways = find_giveaways(rows, suspects, label.column, label.kind)
    for each in giveaways:
        detail = (
            f"{each.describe()}. Remove it from `features` if it is part of the label or known "
            "later; name it in gate.opponents if it is an honest forecast"
        )
        yield Finding("too good", "wrong", detail)
    if not giveaways:
        yield Finding("too good", "ok", f"no input gives {label.column} away, {rows.height} rows")


def _check_amounts(use_case: UseCase, holdout: pl.DataFrame) -> Iterator[Finding]:
    """Name the slices that the gate can never look at, and a gate that needs more rows."""
    gate = use_case.gate
    if holdout.height < gate.min_rows:
        detail = f"gate.min_rows is {gate.min_rows}; the holdout has {holdout.height} labelled rows"
        yield Finding("gate", "skipped", f"{detail}, so each candidate waits for more")
    fewest = use_case.evaluation.count_slice_rows(holdout.height)
    thin = [f"{each['slice']}={each['value']}" for each in find_thin_slices(use_case, holdout)]
    unlike = list(_list_slices_without_comparison(use_case, holdout, fewest))
    for why, names in (
        (f"fewer than {fewest} rows (evaluation.slice_min_rows)", thin),
        (f"rows in fewer than {MIN_BLOCKS} blocks, or labels that cannot be compared", unlike),
    ):
        if names:
            detail = f"no check of the gate sees these slices of the holdout: {', '.join(names)}"
            yield Finding("slices", "skipped", f"{detail}. They have {why}")


def _list_slices_without_comparison(
    use_case: UseCase, holdout: pl.DataFrame, fewest: int
) -> Iterator[str]:
    """Yield slices of enough rows that the gate cannot compare: few blocks, or one label alone."""
    kind, gate = problem_type_of(use_case), use_case.gate
    labels = holdout[use_case.label.column].to_numpy().astype(np.float64)
    times = holdout[use_case.spine.time]
    for column, value, mask in iterate_slices(holdout, use_case.evaluation.slices, fewest):
        blocks = count_blocks(times.filter(pl.Series(mask)), gate, use_case.seed, use_case.zone)
        if blocks < MIN_BLOCKS or not kind.can_compare(labels[mask]):
            yield f"{column}={value}"
