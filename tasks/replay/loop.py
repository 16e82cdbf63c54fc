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
from configs.use_case import UseCase
from tasks import alias, answers, bake, partitions, scoring, steps, window
from tasks.alerts import record_window
from tasks.candidate import candidate_entry
from tasks.engine import each
from tasks.judgement import judge
from tasks.lake import lake_of
from tasks.ledger import Entry, champion, ledger, unanswered
from tasks.monitoring import as_rows, save
from tasks.parts import clear
from tasks.predictions import PREDICTIONS, SHADOWS, write
from tasks.registry import open_model, register, version_of
from tasks.replay.shared import Trained
from tasks.review import review
from tasks.rollback import roll_back_as_asked
from tasks.takeover import carry

ACTOR = "replay"
Train = Callable[[UseCase, datetime], Trained]

_FAILS = (NoRows, BadModel)  # in production a failed run, and everything else goes on
_log = logging.getLogger(__name__)


def score(use_case: UseCase, as_of: datetime, length: str | None = None) -> None:
    """As the score flow; explanations are left out: they decide nothing."""
    start, end = scoring.scoring_window(use_case, as_of, length)
    try:
        casts = scoring.casts_in(use_case, (start, end))
    except NoChampion as nobody:
        _log.warning("%s", nobody)
        return
    answered = (casts[0].start, end)
    parts = partitions.cut(use_case, casts, as_of)
    folder = partitions.aside(use_case, answered, parts)
    same = {"use_case": use_case, "as_of": as_of, "run_id": ACTOR, "folder": folder, "log": _log}
    scored = each(partitions.answer, parts, **same)
    for table in (SHADOWS, PREDICTIONS):
        write(use_case, table, partitions.of(table, scored), answered)
    if folder:
        clear(folder)


def monitor(use_case: UseCase, as_of: datetime) -> None:
    """As the monitor flow, without what only people look at."""
    book = ledger()
    entries = book.entries(use_case.name)
    try:
        found = window.load(use_case, entries, as_of)
    except NoChampion:
        steps.record_steps(book, use_case, as_of)
        return
    baked = bake.look(use_case, entries, as_of)
    numbers = as_rows(window.numbers(found), as_of, found.champion.version)
    rows = bake.with_bake(use_case, numbers, baked, as_of)
    save(lake_of(use_case.name), rows, as_of)
    record_window(book, use_case, rows, as_of)
    bake.record_wish(book, use_case.name, baked, as_of)
    steps.record_steps(book, use_case, as_of)


def train(use_case: UseCase, as_of: datetime, made: Train, origin: str = "") -> None:
    """As the train flow: one candidate a day or, if another is given, an origin."""
    name, origin = use_case.name, origin or f"train:{as_of:%Y-%m-%d}"
    version = version_of(name, origin)
    if version is None:
        model = made(use_case, as_of)
        version = register(name, model.onnx, model.card, model.golden, origin)
    _record_candidate(use_case, version, origin, as_of)


def train_on_schedule(use_case: UseCase, as_of: datetime, made: Train) -> None:
    """As `train`; once there is a champion, a run that fails leaves everything as it was."""
    try:
        train(use_case, as_of, made)
    except _FAILS as failed:
        if champion(ledger().entries(use_case.name)) is None:
            raise
        _log.error("nothing trained at %s: %s", as_of, failed)


def answer(use_case: UseCase, made: Train) -> None:
    """Do what is asked for, oldest first, until nothing is; what fails is tried again the next
    time, as reconcile would have it.
    """
    tried: set[str] = set()
    while waiting := [e for e in _waiting(use_case) if e.key not in tried]:
        entry = waiting[0]
        tried.add(entry.key)
        try:
            _ANSWERS[answers.answering(entry)](use_case, entry, made)
        except _FAILS as failed:
            _log.error("%s stays unanswered: %s", entry.key, failed)


def _waiting(use_case: UseCase) -> list[Entry]:
    return unanswered(ledger().entries(use_case.name))


def _retrain(use_case: UseCase, alert: Entry, made: Train) -> None:
    """As the retrain flow."""
    claim = answers.claim(ledger(), use_case, alert.key, ACTOR, lambda _: False)
    if claim.verdict == "train":
        train(use_case, alert.at, made, origin=alert.key)
    elif claim.verdict == "covered" and claim.version is not None:
        _record_candidate(use_case, claim.version, alert.key, alert.at)


def _promote(use_case: UseCase, asking: Entry, _: Train) -> None:
    """As the promote flow; there is nobody to ask."""
    assert asking.version is not None
    entry = carry(ledger(), use_case, asking.version, asking.at, ACTOR, judge, review)
    if entry.what == "promoted":
        alias.follow(ledger(), use_case.name)


def _roll_back(use_case: UseCase, asking: Entry, _: Train) -> None:
    """As the rollback flow."""
    promotion: str = asking.evidence["promotion"]
    roll_back_as_asked(ledger(), use_case.name, promotion, asking.at, ACTOR)
    alias.follow(ledger(), use_case.name)


_ANSWERS: dict[str, Callable[[UseCase, Entry, Train], Any]] = {
    "retrain": _retrain,
    "promote": _promote,
    "rollback": _roll_back,
}


def _record_candidate(use_case: UseCase, version: int, origin: str, as_of: datetime) -> None:
    card = open_model(use_case.name, version).card
    ledger().record(candidate_entry(card, version, origin, as_of, ACTOR))
