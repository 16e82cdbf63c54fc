"""Batch scoring: a window of the spine through Feast and ONNX Runtime.

Each row is scored by all versions of the route of its prediction time. Routes are computed from
the ledger, so scoring a window again, even after a promotion, gives the same predictions. The
prediction of the row's arm is used; the others are shadows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl

from configs.clock import parse_duration
from configs.errors import BadConfig, NoChampion
from configs.schema.use_case import UseCase
from tasks.evaluation.prediction_columns import to_prediction_column
from tasks.evaluation.problem_types import problem_type_of
from tasks.features.retrieval import build_spine, join_features
from tasks.ledger.log import open_ledger
from tasks.models.registry import Model, open_model, predict, with_model_features
from tasks.rollout.assignment import CHALLENGER, CHAMPION, assign_arms, rollout_salt
from tasks.rollout.prediction_log import (
    PREDICTIONS,
    SHADOWS,
    drop_predicted_rows,
    read_request_predictions,
)
from tasks.rollout.routing import Route, list_route_roles, list_routes
from tasks.storage.chunks import TimeSpan


@dataclass(frozen=True)
class ScoredRoute:
    """The predictions of a route's versions.

    `predictions` and `shadows` are rows of their tables, without columns if there was nothing to
    predict. `models` by version; `features` by feature service: the spine with its features;
    `errors` by version, of versions in shadow that could not score. `kept` has rows that requests
    got, by table: they stay when a window is scored again.
    """

    route: Route
    predictions: pl.DataFrame = field(default_factory=pl.DataFrame)
    shadows: pl.DataFrame = field(default_factory=pl.DataFrame)
    models: dict[int, Model] = field(default_factory=dict)
    features: dict[str, pl.DataFrame] = field(default_factory=dict)
    errors: dict[int, Exception] = field(default_factory=dict)
    kept: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """Return the rows of each prediction table, in the order in which they are written.

        Shadows come first, so that no prediction lacks its shadow after a kill.
        """
        scored = {SHADOWS: self.shadows, PREDICTIONS: self.predictions}
        return {name: self._add_kept(name, rows) for name, rows in scored.items()}

    def _add_kept(self, table: str, rows: pl.DataFrame) -> pl.DataFrame:
        parts = [part for part in (rows, self.kept.get(table)) if part is not None and part.columns]
        return pl.concat(parts, how="diagonal_relaxed") if len(parts) > 1 else (*parts, rows)[0]


def scoring_window(as_of: datetime, window: str) -> TimeSpan:
    """Return the last `window` before `as_of`, a duration like 7d; BadConfig if it is none."""
    try:
        return as_of - parse_duration(window), as_of
    except ValueError as error:
        raise BadConfig(f"window: {error}") from error


def find_scoring_routes(use_case: UseCase, window: TimeSpan) -> list[Route]:
    """Return the routes of a window; raise NoChampion if it has no champion at any time."""
    routes = list_routes(open_ledger().entries(use_case.name), *window)
    if not routes:
        raise NoChampion(
            f"{use_case.name} has no champion between {window[0]} and {window[1]}: "
            f"run `mainspring run train {use_case.name}`; scoring starts once its candidate is "
            "promoted"
        )
    return routes


def score_route(
    use_case: UseCase, route: Route, as_of: datetime, run_id: str, due_in: TimeSpan | None = None
) -> ScoredRoute:
    """Score the rows of a route with each of its versions.

    Features are read once a feature service. Errors of the champion are raised. Errors of another
    version are kept in `errors`; the champion then predicts a challenger's rows.

    Args:
        use_case: the use case.
        route: the span of prediction times and its versions.
        as_of: end of the knowledge about the spine.
        run_id: the flow run that scores.
        due_in: leave out rows that have a prediction in this span; None scores all rows.
    """
    scored, spine = ScoredRoute(route), build_spine(use_case, route.start, route.end, as_of)
    if due_in is not None:
        spine = drop_predicted_rows(use_case, spine, due_in)
    else:
        scored = replace(scored, kept=_read_kept(use_case, route))
        spine = _drop_kept(use_case, spine, scored.kept[PREDICTIONS])
    if spine.is_empty():
        return scored
    by_role: dict[str, pl.DataFrame] = {}
    for version, role in list_route_roles(route).items():
        try:
            model = open_model(use_case.name, version)
            frame = _read_features(use_case, model, spine, scored.features)
            by_role[role] = build_prediction_rows(use_case, model, frame, role, as_of, run_id)
        except Exception as error:
            if version == route.champion:
                raise
            scored.errors[version] = error
        else:
            scored.models[version] = model
    arms = _assign_row_arms(use_case, route, spine, challenged=CHALLENGER in by_role)
    masked = [(rows, arms == role) for role, rows in by_role.items()]
    return replace(
        scored,
        predictions=pl.concat(rows.filter(used) for rows, used in masked),
        shadows=pl.concat(rows.filter(~used) for rows, used in masked),
    )


def build_prediction_rows(
    use_case: UseCase, model: Model, frame: pl.DataFrame, arm: str, as_of: datetime, run_id: str
) -> pl.DataFrame:
    """Return one prediction for each row of `frame`.

    Columns: spine keys, prediction time, value and decision; arm, model_version, feature_service,
    run_id, scored_as_of. Value and decision by problem type: `probability` (Float64) and Boolean;
    `prediction` and Float64, equal; `probability` (List of Float64, in the order of label.classes)
    and String, the name of the class.

    Args:
        frame: the spine with the features of the model's feature service.
        arm: role of the model for these rows.
        run_id: the flow run that scores.
    """
    problem_type, value = problem_type_of(use_case), predict(model, frame)
    return frame.select(*use_case.spine.key, use_case.spine.time).with_columns(
        to_prediction_column(problem_type.value_column, value),
        problem_type.to_decision_column(problem_type.decide(value, model.card.threshold)),
        pl.lit(arm).alias("arm"),
        pl.lit(model.version, pl.Int64).alias("model_version"),
        pl.lit(model.card.feature_service).alias("feature_service"),
        pl.lit(run_id).alias("run_id"),
        pl.lit(as_of, pl.Datetime("us", "UTC")).alias("scored_as_of"),
    )


def _read_features(
    use_case: UseCase, model: Model, spine: pl.DataFrame, cache: dict[str, pl.DataFrame]
) -> pl.DataFrame:
    """Return the spine with the features of the model's service, read once into `cache`."""
    service = model.card.feature_service
    if service not in cache:
        cache[service] = join_features(with_model_features(use_case, model), spine)
    return cache[service]


def _read_kept(use_case: UseCase, route: Route) -> dict[str, pl.DataFrame]:
    """Return the rows of the route's span that requests got: their callers have them."""
    span = (route.start, route.end)
    return {
        table: read_request_predictions(use_case, table, span) for table in (SHADOWS, PREDICTIONS)
    }


def _drop_kept(use_case: UseCase, spine: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    if not kept.columns:
        return spine
    keys = list(use_case.spine.key)
    known = kept.select(pl.col(key).cast(spine.schema[key]) for key in keys)
    return spine.join(known, on=keys, how="anti", nulls_equal=True, maintain_order="left")


def _assign_row_arms(
    use_case: UseCase, route: Route, spine: pl.DataFrame, *, challenged: bool
) -> pl.Series:
    """Return the arm whose prediction each row uses."""
    if route.challenger is None or not challenged or not route.share:
        return pl.repeat(CHAMPION, spine.height, eager=True)
    salt = rollout_salt(use_case.name, route.challenger)
    return assign_arms(spine.select(route.unit), salt, route.share)
