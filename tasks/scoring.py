"""Batch scoring: a window of the spine through Feast and ONNX Runtime into `predictions`.

Each row is scored by the version that was champion at its prediction time, so a window scored
again later, or caught up after a promotion, gives what it gave or would have given then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from prefect import get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE

from configs.clock import parse_duration
from configs.errors import NoChampion, NoRows
from configs.use_case import UseCase
from tasks.features import historical, spine
from tasks.lake import lake_of
from tasks.ledger import Reign, ledger, reigns
from tasks.registry import Model, open_model, predict
from tasks.retries import is_transient

PREDICTIONS = "predictions"
Window = tuple[datetime, datetime]


def scoring_window(use_case: UseCase, as_of: datetime, window: str | None = None) -> Window:
    """The prediction times to score: the last `window` (like 7d; the YAML's) before `as_of`."""
    length = use_case.schedules.score_window if window is None else parse_duration(window)
    return as_of - length, as_of


def reigns_in(use_case: UseCase, window: Window) -> list[Reign]:
    """Who is champion when in the window; NoChampion if nobody is at any time of it."""
    found = reigns(ledger().entries(use_case.name), *window)
    if not found:
        raise NoChampion(
            f"{use_case.name} has no champion between {window[0]} and {window[1]}: "
            f"run train/{use_case.name}; its candidate is scored with once it is promoted"
        )
    return found


def score_span(use_case: UseCase, reign: Reign, as_of: datetime) -> tuple[Model, pl.DataFrame]:
    """The champion of a span, and the span's rows with the features of its own service."""
    model = open_model(use_case.name, reign.version)
    service = {"service": model.card.feature_service}
    features = use_case.features.model_copy(update=service)
    asked = spine(use_case, reign.start, reign.end, as_of)
    if asked.is_empty():
        return model, asked
    return model, historical(use_case.model_copy(update={"features": features}), asked)


def predictions(
    use_case: UseCase, model: Model, frame: pl.DataFrame, as_of: datetime, run_id: str
) -> pl.DataFrame:
    """One row per row of `frame`: spine keys and prediction time, probability (Float64), decision
    (Boolean), model_version, feature_service, run_id, scored_as_of.
    """
    probability = pl.Series("probability", predict(model, frame))
    return frame.select(*use_case.spine.key, use_case.spine.time).with_columns(
        probability,
        (probability >= model.card.threshold).alias("decision"),
        pl.lit(model.version, pl.Int64).alias("model_version"),
        pl.lit(model.card.feature_service).alias("feature_service"),
        pl.lit(run_id).alias("run_id"),
        pl.lit(as_of, pl.Datetime("us", "UTC")).alias("scored_as_of"),
    )


def write(use_case: UseCase, rows: pl.DataFrame, window: Window) -> int | None:
    """Make `rows` the predictions of the window, in one commit; the table's version, if it exists.

    Nothing is committed when the table says the same already, whoever scored it and when. A
    window without any row to predict is left alone; if it holds predictions, the data they were
    made from is gone, and NoRows says so rather than wiping them.
    """
    lake, time = lake_of(use_case.name), use_case.spine.time
    if rows.is_empty():
        _refuse_to_wipe(use_case, window)
        return lake.version(PREDICTIONS)
    ignored = ("run_id", "scored_as_of")
    keys = use_case.spine.key
    return lake.replace_window(PREDICTIONS, rows, time, window, keys=keys, ignoring=ignored)


def _refuse_to_wipe(use_case: UseCase, window: Window) -> None:
    lake = lake_of(use_case.name)
    if not lake.exists(PREDICTIONS):
        return
    at = pl.col(use_case.spine.time)
    held = lake.scan(PREDICTIONS).filter(at >= window[0], at < window[1]).select(pl.len())
    count = held.collect().item()
    if count:
        raise NoRows(
            f"{lake.uri(PREDICTIONS)} holds {count} predictions in [{window[0]}, {window[1]}), but "
            f"the spine of {use_case.name} has no row there any more; they are kept. Look for what "
            "became of the raw tables"
        )


@task(task_run_name="who is champion", cache_policy=NO_CACHE)
def find_reigns(use_case: UseCase, window: Window) -> list[Reign]:
    """As `reigns_in`, seen by Prefect; a window without any champion is a warning, not an error."""
    try:
        found = reigns_in(use_case, window)
    except NoChampion as nobody:
        get_run_logger().warning("%s", nobody)
        return []
    for reign in found:
        get_run_logger().info("version %s from %s to %s", reign.version, reign.start, reign.end)
    return found


@task(task_run_name="score with version {reign.version}", cache_policy=NO_CACHE)
def score_reign(use_case: UseCase, reign: Reign, as_of: datetime) -> pl.DataFrame:
    """The predictions of one champion's span, seen by Prefect."""
    model, frame = score_span(use_case, reign, as_of)
    if frame.is_empty():
        get_run_logger().warning("nothing is predicted from %s to %s", reign.start, reign.end)
        return frame
    return predictions(use_case, model, frame, as_of, str(runtime.flow_run.id))


@task(
    task_run_name="write predictions",
    cache_policy=NO_CACHE,
    retries=3,
    retry_delay_seconds=2,
    retry_condition_fn=is_transient,
)
def write_predictions(use_case: UseCase, scored: Sequence[pl.DataFrame], window: Window) -> int:
    """As `write`, seen by Prefect; the number of rows scored."""
    some = [frame for frame in scored if not frame.is_empty()]
    rows = pl.concat(some) if some else pl.DataFrame()
    version = write(use_case, rows, window)
    get_run_logger().info("%s predictions, table version %s", rows.height, version)
    return rows.height
