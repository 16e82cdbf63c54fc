"""Batch scoring: a window of the spine through Feast and ONNX Runtime.

Each row is answered by all versions of the cast of its prediction time, a fold over the ledger, so
a window scored again later, or caught up after a promotion, gives what it gave or would have given
then. One answer is used, that of the row's arm; the others are shadows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl

from configs.clock import parse_duration
from configs.errors import NoChampion
from configs.schema.use_case import UseCase
from tasks.evaluation.prediction_columns import to_prediction_column
from tasks.evaluation.problem_types import problem_type_of
from tasks.features.retrieval import build_spine, join_features
from tasks.ledger.log import open_ledger
from tasks.models.registry import Model, open_model, predict, with_model_features
from tasks.rollout.assignment import CHALLENGER, CHAMPION, PREVIOUS, assign_arms, rollout_salt
from tasks.rollout.prediction_log import PREDICTIONS, SHADOWS
from tasks.rollout.routing import Route, list_routes
from tasks.storage.chunks import TimeSpan


@dataclass(frozen=True)
class ScoredRoute:
    """What a cast's versions answered.

    `used` and `shadows` are rows as their tables hold them, without columns where nothing is
    predicted. `models` by version; `features` by feature service: the spine with its features;
    `failed`: the versions in shadow that did not answer, and why.
    """

    cast: Route
    used: pl.DataFrame = field(default_factory=pl.DataFrame)
    shadows: pl.DataFrame = field(default_factory=pl.DataFrame)
    models: dict[int, Model] = field(default_factory=dict)
    features: dict[str, pl.DataFrame] = field(default_factory=dict)
    failed: dict[int, Exception] = field(default_factory=dict)

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """The rows of each table of answers, in the order in which they are written: no used row
        misses its shadow.
        """
        return {SHADOWS: self.shadows, PREDICTIONS: self.used}


def scoring_window(use_case: UseCase, as_of: datetime, window: str | None = None) -> TimeSpan:
    """The prediction times to score: the last `window` (like 7d; the YAML's) before `as_of`."""
    length = use_case.schedules.score_window if window is None else parse_duration(window)
    return as_of - length, as_of


def routes_in(use_case: UseCase, window: TimeSpan) -> list[Route]:
    """Who answers when in the window; NoChampion if nobody is champion at any time of it."""
    found = list_routes(open_ledger().entries(use_case.name), *window)
    if not found:
        raise NoChampion(
            f"{use_case.name} has no champion between {window[0]} and {window[1]}: "
            f"run train/{use_case.name}; its candidate is scored with once it is promoted"
        )
    return found


def route_roles(cast: Route) -> dict[int, str]:
    """The versions that answer, and what each of them is; the champion first."""
    others = {cast.previous: PREVIOUS, cast.challenger: CHALLENGER}
    return {cast.champion: CHAMPION} | {v: role for v, role in others.items() if v is not None}


def score_route(use_case: UseCase, cast: Route, as_of: datetime, run_id: str) -> ScoredRoute:
    """Let every version of a cast answer its rows; features are read once a feature service.

    What goes wrong with the champion is raised. What goes wrong with another version costs its own
    answers only, and is told in `failed`; a challenger's rows are then the champion's.
    """
    scored, asked = ScoredRoute(cast), build_spine(use_case, cast.start, cast.end, as_of)
    if asked.is_empty():
        return scored
    answers: dict[str, pl.DataFrame] = {}
    for version, role in route_roles(cast).items():
        try:
            model = open_model(use_case.name, version)
            frame = _features(use_case, model, asked, scored.features)
            answers[role] = prediction_rows(use_case, model, frame, role, as_of, run_id)
        except Exception as wrong:
            if version == cast.champion:
                raise
            scored.failed[version] = wrong
        else:
            scored.models[version] = model
    arms = _arms(use_case, cast, asked, challenged=CHALLENGER in answers)
    taken = [(rows, arms == role) for role, rows in answers.items()]
    return replace(
        scored,
        used=pl.concat(rows.filter(mine) for rows, mine in taken),
        shadows=pl.concat(rows.filter(~mine) for rows, mine in taken),
    )


def prediction_rows(
    use_case: UseCase, model: Model, frame: pl.DataFrame, arm: str, as_of: datetime, run_id: str
) -> pl.DataFrame:
    """One row per row of `frame`: spine keys and prediction time; of an event probability (Float64)
    and decision (Boolean, by the model's own threshold), of a number prediction and decision (both
    Float64, the same), of classes probability (List of Float64, in the order of label.classes) and
    decision (String, the class's name); arm, model_version, feature_service, run_id, scored_as_of.
    """
    kind, value = problem_type_of(use_case), predict(model, frame)
    return frame.select(*use_case.spine.key, use_case.spine.time).with_columns(
        to_prediction_column(kind.value_column, value),
        kind.to_decision_column(kind.decide(value, model.card.threshold)),
        pl.lit(arm).alias("arm"),
        pl.lit(model.version, pl.Int64).alias("model_version"),
        pl.lit(model.card.feature_service).alias("feature_service"),
        pl.lit(run_id).alias("run_id"),
        pl.lit(as_of, pl.Datetime("us", "UTC")).alias("scored_as_of"),
    )


def _features(
    use_case: UseCase, model: Model, asked: pl.DataFrame, read: dict[str, pl.DataFrame]
) -> pl.DataFrame:
    """The rows with the features of the model's own service, kept in `read`."""
    service = model.card.feature_service
    if service not in read:
        read[service] = join_features(with_model_features(use_case, model), asked)
    return read[service]


def _arms(use_case: UseCase, cast: Route, asked: pl.DataFrame, *, challenged: bool) -> pl.Series:
    """Whose answer each row uses."""
    if cast.challenger is None or not challenged:
        return pl.repeat(CHAMPION, asked.height, eager=True)
    return assign_arms(
        asked.select(cast.unit), rollout_salt(use_case.name, cast.challenger), cast.share
    )
