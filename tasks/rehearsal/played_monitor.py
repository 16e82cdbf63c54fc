"""Episodes and alerts of a history, by the functions of the monitor and a ledger in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from configs.schema.use_case import UseCase
from tasks.ledger.entries import (
    make_candidate_registered,
    make_promoted,
    make_refused,
    make_retrain_started,
)
from tasks.ledger.evidence import CandidateRegistered, GateEvidence, PromotionTerms, Refused
from tasks.ledger.log import Entry
from tasks.ledger.state import fold_ledger
from tasks.monitoring.episodes import find_episode_changes
from tasks.monitoring.measurements import Measurement, build_measurement_rows
from tasks.monitoring.retrain_alerts import find_due_alert
from tasks.rehearsal.day_pool import HISTORY_START

ACTOR = "rehearsal"
_BAD = ("ticket", "page")


class PlayedMonitor:
    """The monitor's decisions about one champion, window after window.

    Each alert is answered at once by a candidate that the gate refuses. So the next alert waits
    for the cooldown alone. Scheduled trainings are left out.
    """

    def __init__(self, use_case: UseCase, version: int) -> None:
        self._use_case = use_case
        self._version = version
        self._last: list[tuple[datetime, Sequence[Measurement]]] = []
        rules = (use_case.monitor.drift, use_case.monitor.contract, *use_case.monitor.performance)
        self._patience = max(rule.of for rule in rules)
        terms, gate = PromotionTerms(), GateEvidence()
        self.entries: list[Entry] = []
        self._append(make_promoted(use_case.name, version, HISTORY_START, ACTOR, gate, terms))

    def play(self, windows: Iterable[Sequence[Measurement]]) -> list[Entry]:
        """Play windows in order of time; return the ledger."""
        for measured in windows:
            if measured:
                self._play_window(measured)
        return self.entries

    def find_first_episode(self, windows: Iterable[Sequence[Measurement]]) -> datetime | None:
        """Play windows until an episode opens; return its time, None without one."""
        for measured in windows:
            if measured:
                self._play_window(measured)
            if opened := [e.at for e in self.entries if e.what == "episode_opened"]:
                return opened[0]
        return None

    def _play_window(self, measured: Sequence[Measurement]) -> None:
        at = measured[0].window_end
        self._last = [*self._last, (at, measured)][-self._patience :]
        is_calm = not any(each.verdict in _BAD for each in measured)
        if is_calm and not fold_ledger(self.entries).open_episodes:
            return  # no rule opens an episode on a good window
        ledger = fold_ledger(self.entries)
        rows = pl.concat(
            build_measurement_rows(measured, at, self._version) for at, measured in self._last
        )
        for entry in find_episode_changes(self._use_case, ledger, rows, at):
            self._append(entry)
        alert = find_due_alert(fold_ledger(self.entries), at, self._use_case.retrain.cooldown)
        if alert is not None:
            self._answer(alert, at)

    def _answer(self, alert: Entry, at: datetime) -> None:
        name, version = self._use_case.name, self._version + len(self.entries)
        candidate = CandidateRegistered(origin=alert.key)
        for entry in (
            alert,
            make_retrain_started(alert, ACTOR),
            make_candidate_registered(name, version, at, ACTOR, candidate),
            make_refused(name, version, at, ACTOR, Refused(reason="an equal model")),
        ):
            self._append(entry)

    def _append(self, entry: Entry) -> None:
        self.entries.append(replace(entry, seq=len(self.entries) + 1))
