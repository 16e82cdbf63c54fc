"""Simulation of the flows without Prefect, by the functions that their tasks call.

Events are not needed: each request is in the ledger before its event. `answer_requests` does what
the automations would start, with the moments that they would pass on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from configs.errors import BadModel, NoChampion, NoRows
from configs.schema.use_case import UseCase
from tasks.ledger.evidence import RollbackAsked, read_evidence
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import find_champion, list_unanswered
from tasks.ledger.state import fold_ledger
from tasks.lifecycle import champion_alias, resend_requests
from tasks.model_cards.registration import register_candidate
from tasks.models.artifact import ModelArtifact
from tasks.models.mlflow.versions import find_equal_version, find_version
from tasks.models.registry import Model
from tasks.monitoring import window
from tasks.monitoring.limits.renewal import renew_limits
from tasks.monitoring.measurements import (
    build_measurement_rows,
    has_later_window,
    save_measurements,
)
from tasks.monitoring.retrain_alerts import record_window_changes
from tasks.orchestration.parallel import map_parallel
from tasks.promotion import bake, due_steps
from tasks.promotion.gate import judge_candidate
from tasks.promotion.record_step import advance_candidate
from tasks.promotion.refitting.refit import record_refit
from tasks.promotion.rollback import roll_back_as_asked
from tasks.promotion.stage_review import review_stage
from tasks.replay.shared_training import TrainedFiles
from tasks.rollout.prediction_log import PREDICTIONS, SHADOWS
from tasks.scoring.partitions import score_partition_rows
from tasks.scoring.plan import plan_scoring, write_scored_rows
from tasks.storage.chunks import remove_spill
from tasks.storage.lake import open_lake
from tasks.training import retrain_claim
from tasks.training.candidate import record_candidate

REPLAY_ACTOR = "replay"

_RUN_ERRORS = (NoRows, BadModel)  # in production, such a run fails and the loop continues
_log = logging.getLogger(__name__)


class TrainModel(Protocol):
    """Trains a candidate, or fits a judged version again, as of a moment."""

    def __call__(  # noqa: D102
        self, use_case: UseCase, as_of: datetime, judged: Model | None = None
    ) -> TrainedFiles: ...


def simulate_score(use_case: UseCase, as_of: datetime, length: str | None = None) -> None:
    """Score as the score flow does, without explanations, which affect no decision."""
    try:
        plan = plan_scoring(use_case, as_of, length)
    except NoChampion as missing:
        _log.warning("%s", missing)
        return
    shared_arguments = {
        "use_case": use_case,
        "as_of": as_of,
        "run_id": REPLAY_ACTOR,
        "folder": plan.folder,
        "due_in": plan.due_in,
        "log": _log,
    }
    scored = map_parallel(score_partition_rows, plan.partitions, **shared_arguments)
    for table in (SHADOWS, PREDICTIONS):
        write_scored_rows(plan, table, scored)
    if plan.folder:
        remove_spill(plan.folder)


def simulate_monitor(use_case: UseCase, as_of: datetime) -> None:
    """Monitor as the monitor flow does, without reports and charts."""
    book, lake = open_ledger(), open_lake(use_case.name)
    entries = book.entries(use_case.name)
    is_past = has_later_window(lake, as_of)
    try:
        monitored = window.load_window(use_case, entries, as_of)
    except NoChampion:
        if not is_past:
            due_steps.record_due_steps(book, use_case, as_of)
        return
    baked = bake.evaluate_bake(use_case, fold_ledger(entries), as_of)
    measured = window.measure_window(monitored)
    rows = build_measurement_rows(measured, as_of, monitored.champion.version)
    rows = bake.add_bake_measurements(use_case, rows, baked, as_of)
    save_measurements(lake, rows, as_of)
    if is_past:
        return
    record_window_changes(book, use_case, rows, as_of)
    renew_limits(book, use_case, monitored.champion, as_of)
    bake.record_rollback_request(book, use_case.name, baked, as_of)
    due_steps.record_due_steps(book, use_case, as_of)


def simulate_train(use_case: UseCase, as_of: datetime, train: TrainModel, origin: str = "") -> None:
    """Train one candidate per origin, as the train flow does; by default one a day.

    Args:
        use_case: the use case.
        as_of: end of the training window.
        train: the function that trains.
        origin: what asked for the candidate, for example an alert key.
    """
    name, origin = use_case.name, origin or f"train:{as_of:%Y-%m-%d}"
    version = find_version(name, origin)
    if version is None:
        trained = train(use_case, as_of)
        version = find_equal_version(trained.artifact.card, origin)
        if version is None:
            version = register_candidate(trained.artifact, origin)
    record_candidate(open_ledger(), name, version, origin, as_of, REPLAY_ACTOR)


def simulate_scheduled_train(use_case: UseCase, as_of: datetime, train: TrainModel) -> None:
    """Run `simulate_train`; once there is a champion, log a failed training and continue."""
    try:
        simulate_train(use_case, as_of, train)
    except _RUN_ERRORS as failed:
        if find_champion(open_ledger().entries(use_case.name)) is None:
            raise
        _log.error("training as of %s failed: %s", as_of, failed)


def answer_requests(use_case: UseCase, train: TrainModel) -> None:
    """Answer the open requests of the ledger, oldest first, until none is left.

    A request that fails is tried once per call, and again by the next call, as reconcile does.
    """
    tried: set[str] = set()
    while waiting := [e for e in _open_requests(use_case) if e.key not in tried]:
        entry = waiting[0]
        tried.add(entry.key)
        try:
            _SIMULATED[resend_requests.answering_flow(entry)](use_case, entry, train)
        except _RUN_ERRORS as failed:
            _log.error("%s stays unanswered: %s", entry.key, failed)


def _open_requests(use_case: UseCase) -> list[Entry]:
    return list_unanswered(open_ledger().entries(use_case.name))


def _retrain(use_case: UseCase, alert: Entry, train: TrainModel) -> None:
    """Retrain for an alert, as the retrain flow does."""
    claim = retrain_claim.claim_retrain(
        open_ledger(), use_case, alert.key, REPLAY_ACTOR, lambda _: False
    )
    if claim.verdict == "train":
        simulate_train(use_case, alert.at, train, origin=alert.key)
    elif claim.verdict == "covered" and claim.version is not None:
        record_candidate(
            open_ledger(), use_case.name, claim.version, alert.key, alert.at, REPLAY_ACTOR
        )


def _promote(use_case: UseCase, request: Entry, train: TrainModel) -> None:
    """Advance a candidate as the promote flow does, without a form for approvals."""
    assert request.version is not None
    entry = _advance(use_case, request.version, request.at)
    if entry.what == "refit_asked":
        refitted = record_refit(
            open_ledger(), use_case, entry, REPLAY_ACTOR, partial(_refit, use_case, train)
        )
        assert refitted.version is not None
        entry = _advance(use_case, refitted.version, request.at)
    if entry.what == "promoted":
        champion_alias.sync_champion_alias(open_ledger(), use_case.name)


def _advance(use_case: UseCase, version: int, as_of: datetime) -> Entry:
    """Record the next step of a version, as the flow's task does."""
    return advance_candidate(
        open_ledger(), use_case, version, as_of, REPLAY_ACTOR, judge_candidate, review_stage
    )


def _refit(use_case: UseCase, train: TrainModel, judged: Model, as_of: datetime) -> ModelArtifact:
    return train(use_case, as_of, judged).artifact


def _roll_back(use_case: UseCase, request: Entry, _: TrainModel) -> None:
    """Roll back a promotion, as the rollback flow does."""
    promotion = read_evidence(request, RollbackAsked).promotion
    roll_back_as_asked(open_ledger(), use_case.name, promotion, request.at, REPLAY_ACTOR)
    champion_alias.sync_champion_alias(open_ledger(), use_case.name)


_SIMULATED: dict[str, Callable[[UseCase, Entry, TrainModel], Any]] = {
    "retrain": _retrain,
    "promote": _promote,
    "rollback": _roll_back,
}
