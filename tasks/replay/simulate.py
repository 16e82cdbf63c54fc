"""What the flows do, in their order, without Prefect: by the plain functions below their tasks.

Events are not needed: what an event asks for stands in the ledger first, so `answer` does what is
unanswered there until nothing is. It does what the automations would start, at the moments that
they would pass on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from configs.errors import BadModel, NoChampion, NoRows
from configs.schema.use_case import UseCase
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import find_champion, list_unanswered
from tasks.models.registry import find_version, open_model
from tasks.monitoring import window
from tasks.monitoring.measurements import measurement_rows, save_measurements
from tasks.monitoring.retrain_alerts import record_window_changes
from tasks.orchestration.parallel import map_parallel
from tasks.promotion import bake, champion_alias, due_steps, reconcile
from tasks.promotion.advance import advance_candidate
from tasks.promotion.gate import judge_candidate
from tasks.promotion.rollback import roll_back_as_asked
from tasks.promotion.stage_review import review_stage
from tasks.replay.shared_training import TrainedFiles
from tasks.rollout.prediction_log import PREDICTIONS, SHADOWS
from tasks.scoring import batch, partitions
from tasks.scoring.predictions import write_prediction_table
from tasks.storage.chunks import remove_spill
from tasks.storage.lake import open_lake
from tasks.training import retrain_claim
from tasks.training.candidate import candidate_entry
from tasks.training.pipeline import register_candidate

REPLAY_ACTOR = "replay"
TrainModel = Callable[[UseCase, datetime], TrainedFiles]
_FAILS = (NoRows, BadModel)  # in production a failed run, and everything else goes on
_log = logging.getLogger(__name__)


def simulate_score(use_case: UseCase, as_of: datetime, length: str | None = None) -> None:
    """As the score flow; explanations are left out: they decide nothing."""
    start, end = batch.scoring_window(use_case, as_of, length)
    try:
        casts = batch.routes_in(use_case, (start, end))
    except NoChampion as nobody:
        _log.warning("%s", nobody)
        return
    answered = (casts[0].start, end)
    parts = partitions.split_routes(use_case, casts, as_of)
    folder = partitions.choose_spill_folder(use_case, answered, parts)
    same = {
        "use_case": use_case,
        "as_of": as_of,
        "run_id": REPLAY_ACTOR,
        "folder": folder,
        "log": _log,
    }
    scored = map_parallel(partitions.score_partition_rows, parts, **same)
    for table in (SHADOWS, PREDICTIONS):
        write_prediction_table(use_case, table, partitions.table_chunks(table, scored), answered)
    if folder:
        remove_spill(folder)


def simulate_monitor(use_case: UseCase, as_of: datetime) -> None:
    """As the monitor flow, without what only people look at."""
    book = open_ledger()
    entries = book.entries(use_case.name)
    try:
        found = window.load_window(use_case, entries, as_of)
    except NoChampion:
        due_steps.record_due_steps(book, use_case, as_of)
        return
    baked = bake.evaluate_bake(use_case, entries, as_of)
    numbers = measurement_rows(window.measure_window(found), as_of, found.champion.version)
    rows = bake.add_bake_measurements(use_case, numbers, baked, as_of)
    save_measurements(open_lake(use_case.name), rows, as_of)
    record_window_changes(book, use_case, rows, as_of)
    bake.record_rollback_request(book, use_case.name, baked, as_of)
    due_steps.record_due_steps(book, use_case, as_of)


def simulate_train(use_case: UseCase, as_of: datetime, made: TrainModel, origin: str = "") -> None:
    """As the train flow: one candidate a day or, if another is given, an origin."""
    name, origin = use_case.name, origin or f"train:{as_of:%Y-%m-%d}"
    version = find_version(name, origin)
    if version is None:
        model = made(use_case, as_of)
        version = register_candidate(model.artifact, origin)
    _record_candidate(use_case, version, origin, as_of)


def simulate_scheduled_train(use_case: UseCase, as_of: datetime, made: TrainModel) -> None:
    """As `train`; once there is a champion, a run that fails leaves everything as it was."""
    try:
        simulate_train(use_case, as_of, made)
    except _FAILS as failed:
        if find_champion(open_ledger().entries(use_case.name)) is None:
            raise
        _log.error("nothing trained at %s: %s", as_of, failed)


def answer_requests(use_case: UseCase, made: TrainModel) -> None:
    """Do what is asked for, oldest first, until nothing is; what fails is tried again the next
    time, as reconcile would have it.
    """
    tried: set[str] = set()
    while waiting := [e for e in _waiting(use_case) if e.key not in tried]:
        entry = waiting[0]
        tried.add(entry.key)
        try:
            _SIMULATED[reconcile.answering_flow(entry)](use_case, entry, made)
        except _FAILS as failed:
            _log.error("%s stays unanswered: %s", entry.key, failed)


def _waiting(use_case: UseCase) -> list[Entry]:
    return list_unanswered(open_ledger().entries(use_case.name))


def _retrain(use_case: UseCase, alert: Entry, made: TrainModel) -> None:
    """As the retrain flow."""
    claim = retrain_claim.claim_retrain(
        open_ledger(), use_case, alert.key, REPLAY_ACTOR, lambda _: False
    )
    if claim.verdict == "train":
        simulate_train(use_case, alert.at, made, origin=alert.key)
    elif claim.verdict == "covered" and claim.version is not None:
        _record_candidate(use_case, claim.version, alert.key, alert.at)


def _promote(use_case: UseCase, asking: Entry, _: TrainModel) -> None:
    """As the promote flow; there is nobody to ask."""
    assert asking.version is not None
    entry = advance_candidate(
        open_ledger(),
        use_case,
        asking.version,
        asking.at,
        REPLAY_ACTOR,
        judge_candidate,
        review_stage,
    )
    if entry.what == "promoted":
        champion_alias.sync_champion_alias(open_ledger(), use_case.name)


def _roll_back(use_case: UseCase, asking: Entry, _: TrainModel) -> None:
    """As the rollback flow."""
    promotion: str = asking.evidence["promotion"]
    roll_back_as_asked(open_ledger(), use_case.name, promotion, asking.at, REPLAY_ACTOR)
    champion_alias.sync_champion_alias(open_ledger(), use_case.name)


_SIMULATED: dict[str, Callable[[UseCase, Entry, TrainModel], Any]] = {
    "retrain": _retrain,
    "promote": _promote,
    "rollback": _roll_back,
}


def _record_candidate(use_case: UseCase, version: int, origin: str, as_of: datetime) -> None:
    card = open_model(use_case.name, version).card
    open_ledger().record(candidate_entry(card, version, origin, as_of, REPLAY_ACTOR))
