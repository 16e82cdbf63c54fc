"""Predictor: rows to values, decisions and arms, by every version of the route of a moment.

It is pure but for the online store that it reads. Arms, values and decisions come from the
functions of batch scoring.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from configs.errors import Transient
from configs.schema.use_case import UseCase
from tasks.evaluation.metrics import Floats
from tasks.features.online_read import OnlineReader, OnlineRows, OnlineView
from tasks.rollout.assignment import CHALLENGER, CHAMPION, assign_entity_arm, rollout_salt
from tasks.rollout.routing import Route, list_route_roles
from tasks.serving.opened_version import OpenedVersion, predict_columns
from tasks.serving.row_schema import NOT_GIVEN, BadRequest, RowSchema


@dataclass(frozen=True)
class ServedRoute:
    """A route, its opened versions and the schema of the rows that they predict.

    A version of the route other than the champion may be missing in `versions`: it did not open.
    """

    route: Route
    versions: Mapping[int, OpenedVersion]
    schema: RowSchema

    @property
    def champion(self) -> OpenedVersion:
        """Return the version that predicts by default."""
        return self.versions[self.route.champion]


@dataclass(frozen=True)
class VersionRows:
    """What one version predicts for every row of a request, and its role in the route."""

    version: int
    role: str
    values: list[Any]
    decisions: list[Any]


@dataclass(frozen=True)
class RequestPredictions:
    """The predictions of a request; lists have an entry a row.

    `by_role` has the predictions of every version, used or shadow; `arms` says whose is used.
    `missing` and `stale` count the features of a row that were read online and are null therefore.
    `errors` are those of versions in shadow; `ages` is the age in seconds of each view; `seconds`
    is the time of each version, with the reads of its features.
    """

    arms: list[str]
    by_role: Mapping[str, VersionRows]
    missing: list[int]
    stale: list[int]
    inputs: Mapping[str, Sequence[Any]] = field(repr=False)
    ages: Mapping[str, float]
    errors: Mapping[int, Exception]
    store_error: str = ""
    seconds: Mapping[int, float] = field(default_factory=dict)

    @property
    def used(self) -> list[tuple[VersionRows, int]]:
        """Return the version that predicts each row, and the place of the row."""
        return [(self.by_role[arm], place) for place, arm in enumerate(self.arms)]


class MissingFeatures(Transient):
    """Features are missing or stale, and the YAML says to refuse then."""


class StoreUnavailable(MissingFeatures):
    """Features are missing because the online store cannot be read now."""


class ChampionFailed(Exception):
    """The champion failed on a request; `errors` and `seconds` are those of every version."""

    def __init__(self, errors: Mapping[int, Exception], seconds: Mapping[int, float]) -> None:
        super().__init__("; ".join(f"version {v} failed: {e}" for v, e in errors.items()))
        self.errors, self.seconds = errors, seconds


def predict_request(
    use_case: UseCase,
    served: ServedRoute,
    columns: Mapping[str, Sequence[Any]],
    moment: datetime,
    reader: OnlineReader,
    on_missing: Literal["answer", "refuse"] = "answer",
) -> RequestPredictions:
    """Predict the rows of a request with every version of a route.

    Args:
        use_case: the use case.
        served: the route of the moment.
        columns: fields of the rows by name, NOT_GIVEN where a row lacks one.
        moment: time of the request.
        reader: reads the features that are not given.
        on_missing: whether missing or stale features are null, or refused.

    Raises:
        BadRequest: a key of a view is missing, and its features must be read.
        MissingFeatures: features are missing or stale, and `on_missing` is `refuse`.
        ChampionFailed: the champion failed; its cause is what it raised.
    """
    count = len(columns[use_case.spine.key[0]])
    completed: dict[str, _CompletedRows] = {}
    for opened in served.versions.values():
        service = opened.card.feature_service
        if service not in completed:
            completed[service] = _complete_rows(opened, columns, count, moment, reader)
    if on_missing == "refuse":
        _require_features(use_case, completed.values())
    by_role: dict[str, VersionRows] = {}
    errors: dict[int, Exception] = {}
    seconds: dict[int, float] = {}
    for version, role in list_route_roles(served.route).items():
        if version not in served.versions:
            continue
        opened = served.versions[version]
        rows, started = completed[opened.card.feature_service], time.perf_counter()
        try:
            by_role[role] = _predict_version(opened, role, rows.inputs, count)
        except Exception as error:  # noqa: BLE001 - a version may fail in its own way
            errors[version] = error
        seconds[version] = rows.seconds + time.perf_counter() - started
    if (failure := errors.get(served.route.champion)) is not None:
        raise ChampionFailed(errors, seconds) from failure
    arms = _assign_arms(use_case, served.route, columns, count, challenged=CHALLENGER in by_role)
    main = completed[served.champion.card.feature_service]
    return RequestPredictions(
        arms, by_role, main.missing, main.stale, main.inputs, main.ages, errors, main.error,
        seconds,
    )  # fmt: skip


def list_services(served: ServedRoute) -> set[str]:
    """Return the feature services of a route's versions that have views."""
    return {each.card.feature_service for each in served.versions.values() if each.views}


def needs_online_features(served: ServedRoute, columns: Mapping[str, Sequence[Any]]) -> bool:
    """Return whether a row lacks a feature, so that the online store must be read."""
    lacking = _list_lacking(columns)
    views = (view for opened in served.versions.values() for view in opened.views)
    return bool(lacking) and any(not lacking.isdisjoint(view.features) for view in views)


def _list_lacking(columns: Mapping[str, Sequence[Any]]) -> set[str]:
    """Return the columns that a row lacks."""
    return {name for name, values in columns.items() if NOT_GIVEN in values}


@dataclass
class _CompletedRows:
    """Columns with the features that rows lacked, and how many of those are null."""

    inputs: dict[str, Sequence[Any]]
    missing: list[int]
    stale: list[int]
    ages: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    seconds: float = 0.0


def _complete_rows(
    opened: OpenedVersion,
    columns: Mapping[str, Sequence[Any]],
    count: int,
    moment: datetime,
    reader: OnlineReader,
) -> _CompletedRows:
    """Read the features of a version's service that rows lack, each view once."""
    completed = _CompletedRows(dict(columns), [0] * count, [0] * count)
    lacking = _list_lacking(columns)
    views = [view for view in opened.views if not lacking.isdisjoint(view.features)]
    if not views:
        return completed
    keys = {key: _require_key(columns, key) for view in views for key in view.keys}
    started = time.perf_counter()
    try:
        rows = reader.read(opened.card.feature_service, views, keys, count, moment)
    except Transient as error:
        rows, completed.error = _make_missing_rows(views, count), str(error)
    completed.ages, completed.seconds = rows.ages, time.perf_counter() - started
    for view in views:
        for name in lacking.intersection(view.features):
            _fill_column(completed, name, rows, view.name)
    return completed


def _make_missing_rows(views: Sequence[OnlineView], count: int) -> OnlineRows:
    """Return rows without any feature, for a store that cannot be read."""
    return OnlineRows(
        {name: [None] * count for view in views for name in view.features},
        {view.name: [True] * count for view in views},
        {view.name: [False] * count for view in views},
        {},
    )


def _fill_column(completed: _CompletedRows, name: str, rows: OnlineRows, view: str) -> None:
    """Put read values where a row does not give the feature, and count the nulls."""
    columns, read = completed.inputs[name], rows.columns[name]
    pairs = zip(columns, read, strict=True)
    completed.inputs[name] = [new if value is NOT_GIVEN else value for value, new in pairs]
    for place, value in enumerate(columns):
        if value is NOT_GIVEN:
            completed.missing[place] += rows.missing[view][place]
            completed.stale[place] += rows.stale[view][place]


def _require_features(use_case: UseCase, completed: Iterable[_CompletedRows]) -> None:
    for rows in completed:
        if any(rows.missing) or any(rows.stale):
            if rows.error:
                raise StoreUnavailable(f"{use_case.name}: {rows.error}")
            raise MissingFeatures(f"{use_case.name}: features of a row are missing or stale online")


def _require_key(columns: Mapping[str, Sequence[Any]], key: str) -> Sequence[Any]:
    values = columns[key]
    if NOT_GIVEN in values:
        place = list(values).index(NOT_GIVEN)
        raise BadRequest(
            f"row {place} lacks `{key}`, by which features are read; give it, or every feature",
            f"$[{place}].{key}",
        )
    return values


def _predict_version(
    opened: OpenedVersion, role: str, inputs: Mapping[str, Sequence[Any]], count: int
) -> VersionRows:
    values: Floats = predict_columns(opened, inputs, count)
    decision = opened.problem_type.decide(values, opened.card.threshold)
    decisions = opened.problem_type.list_decisions(decision)
    return VersionRows(opened.version, role, values.tolist(), decisions)


def _assign_arms(
    use_case: UseCase,
    route: Route,
    columns: Mapping[str, Sequence[Any]],
    count: int,
    *,
    challenged: bool,
) -> list[str]:
    """Return the arm whose prediction each row uses, as batch scoring draws it."""
    if route.challenger is None or not challenged or not route.share:
        return [CHAMPION] * count
    salt = rollout_salt(use_case.name, route.challenger)
    units = zip(*(columns[name] for name in route.unit), strict=True)
    return [assign_entity_arm(unit, salt, route.share) for unit in units]
