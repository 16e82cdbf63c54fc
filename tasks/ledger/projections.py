"""Projections of the ledger: champion, open episodes, unanswered requests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from typing import get_args

from configs.errors import NoChampion
from tasks.ledger.evidence import (
    CandidateRegistered,
    Deferred,
    Promoted,
    Recovered,
    RolledBack,
    RowsChanged,
    read_evidence,
)
from tasks.ledger.file_digests import FileDigests
from tasks.ledger.keys import (
    approval_key,
    approval_request_key,
    candidate_key,
    claim_key,
    closing_key,
    deferral_key,
    is_manual_promotion,
    refit_dropped_key,
    refit_key,
    rollback_key,
)
from tasks.ledger.log import Entry, RequestKind

_ANSWERS = (
    "deferred", "approval_asked", "refit_asked", "rollout_started", "rollout_grown", "promoted",
    "refused",
)  # fmt: skip


def find_champion(entries: Sequence[Entry], at: datetime | None = None) -> Entry | None:
    """Return the promotion, rollback or recovery that made the champion of a moment (now).

    None before the first champion, and after a champion was lost without another one.
    """
    changes = [e for e in _champion_changes(entries) if at is None or e.at <= at]
    return changes[-1] if changes and changes[-1].version is not None else None


def find_first_promotion(entries: Sequence[Entry]) -> Entry | None:
    """Return the earliest promotion of any version; before it, no row is due."""
    promotions = (e for e in entries if e.what == "promoted")
    return min(promotions, key=lambda entry: entry.at, default=None)


def require_champion(entries: Sequence[Entry], model: str, at: datetime | None = None) -> Entry:
    """Return what `find_champion` finds; NoChampion says what to do when there is none."""
    champion = find_champion(entries, at)
    if champion is None or champion.version is None:
        raise NoChampion(f"{model} has no champion at {at or 'this time'}: run train first")
    return champion


def list_standing_promotions(entries: Sequence[Entry]) -> list[Entry]:
    """Return the promotions that were not undone, oldest first; the last made the champion.

    A rollback undoes one promotion; a recovery undoes those of the versions that were lost.
    """
    undone = {read_evidence(e, RolledBack).promotion for e in entries if e.what == "rolled_back"}
    recoveries = (read_evidence(e, Recovered) for e in entries if e.what == "recovered")
    undone |= {key for recovery in recoveries for key in recovery.undone}
    return [e for e in entries if e.what == "promoted" and e.key not in undone]


def find_rollback(entries: Sequence[Entry], version: int) -> Entry | None:
    """Return the rollback by which a version lost its place; None if there was none."""
    rollbacks = (e for e in entries if e.what == "rolled_back")
    return next((e for e in rollbacks if read_evidence(e, RolledBack).loser == version), None)


def count_manual_promotions(entries: Sequence[Entry], version: int) -> int:
    """Return how often a version was promoted manually."""
    return sum(is_manual_promotion(e) for e in entries if e.version == version)


def find_file_digests(entries: Sequence[Entry], version: int) -> FileDigests | None:
    """Return the digests of a version's files; None if the ledger has none.

    They are those that it had first, or was given when golden rows were erased.

    Entries that are older than the digests of card and golden rows have only `digest`, that of the
    ONNX file. A later entry of the same ONNX file adds the others.
    """
    own = [e for e in entries if e.version == version]
    for entry in reversed(own):
        if entry.what == "rows_erased":
            return read_evidence(entry, RowsChanged).files
    known = [files for entry in own if (files := _read_files(entry))]
    return reduce(FileDigests.complete, known) if known else None


def list_usable_versions(entries: Sequence[Entry]) -> list[int]:
    """Return the versions that may be used again: not refused, and not given up by a recovery."""
    given_up = {read_evidence(e, Recovered).lost for e in entries if e.what == "recovered"}
    given_up |= {e.version for e in entries if e.what == "refused"}
    champion = find_champion(entries)
    if champion is not None:
        given_up.discard(champion.version)
    return sorted({e.version for e in entries if e.version is not None} - given_up)


def _read_files(entry: Entry) -> FileDigests | None:
    """Return the digests that an entry has of its version's files."""
    if entry.what == "recovered":
        return read_evidence(entry, Recovered).files
    evidence: CandidateRegistered | Promoted
    if entry.what == "candidate_registered":
        evidence = read_evidence(entry, CandidateRegistered)
    elif entry.what == "promoted":
        evidence = read_evidence(entry, Promoted)
    else:
        return None
    return evidence.files or (FileDigests(onnx=evidence.digest) if evidence.digest else None)


def rolled_back_until(entries: Sequence[Entry], digest: str) -> datetime | None:
    """Return the last prediction time that the last rollback of a file used; None if never.

    Of a manual rollback it is the moment of the rollback. A file is its sha256, in any version.
    """
    files = {e.version: file for e in entries if (file := _read_digest(e)) is not None}
    rollbacks = [(e, read_evidence(e, RolledBack)) for e in entries if e.what == "rolled_back"]
    ends = [why.to or e.at for e, why in rollbacks if files.get(why.loser) == digest]
    return max(ends, default=None)


def _read_digest(entry: Entry) -> str | None:
    if entry.what == "candidate_registered":
        return read_evidence(entry, CandidateRegistered).digest
    return read_evidence(entry, Promoted).digest if entry.what == "promoted" else None


def find_decision(entries: Sequence[Entry], version: int) -> Entry | None:
    """Return the last promotion or refusal of a version, manual ones too; None before any.

    Without one, the registration of the refit that took its place decides too.
    """
    decisions = [e for e in entries if e.version == version and e.what in ("promoted", "refused")]
    return decisions[-1] if decisions else find_refit(entries, version)


def find_candidate(entries: Sequence[Entry], origin: str) -> Entry | None:
    """Return the candidate of an alert (its key) or of a training run; None before there is one."""
    return _find_key(entries, candidate_key(origin))


def find_refit_request(entries: Sequence[Entry], version: int) -> Entry | None:
    """Return the request to refit a version; None if there was none."""
    return _find_key(entries, refit_key(version))


def find_dropped_refit(entries: Sequence[Entry], version: int) -> Entry | None:
    """Return the entry that says why a version has no refit; None if there is none."""
    return _find_key(entries, refit_dropped_key(version))


def find_refit(entries: Sequence[Entry], version: int) -> Entry | None:
    """Return the registration of the refit that took a version's place; None before it."""
    return find_candidate(entries, refit_key(version))


def is_refit(entry: Entry) -> bool:
    """Return whether an entry registers a refit."""
    if entry.what != "candidate_registered":
        return False
    return read_evidence(entry, CandidateRegistered).refit_of is not None


def find_judged_version(entries: Sequence[Entry], version: int) -> int | None:
    """Return the version whose place a refit takes; None of other versions."""
    own = (e for e in entries if e.version == version and e.what == "candidate_registered")
    judged = (read_evidence(e, CandidateRegistered).refit_of for e in own)
    return next((version for version in judged if version is not None), None)


def find_approval_request(entries: Sequence[Entry], version: int) -> Entry | None:
    """Return the request to approve a version; None if there was none."""
    return _find_key(entries, approval_request_key(version))


def find_approval(entries: Sequence[Entry], version: int) -> Entry | None:
    """Return a person's approval or rejection of a version; None before there is one."""
    return _find_key(entries, approval_key(version))


def find_deferral(entries: Sequence[Entry], version: int, day: datetime) -> Entry | None:
    """Return the deferral of a version on the day of a moment; None if there was none."""
    return _find_key(entries, deferral_key(version, day))


def find_last_look(entries: Sequence[Entry], version: int) -> int:
    """Return the number of the last look of the gate at a version; 0 before the first."""
    deferrals = (e for e in entries if e.what == "deferred" and e.version == version)
    return max((read_evidence(e, Deferred).look_number or 0 for e in deferrals), default=0)


def list_watched_versions(entries: Sequence[Entry], at: datetime | None = None) -> list[int]:
    """Return the undecided candidates that the gate looked at by a moment (now), oldest first."""
    past = [e for e in entries if at is None or e.at <= at]
    undecided = {e.version for e in list_undecided_candidates(past)}
    looked = [
        e.version for e in past if e.what == "deferred" and read_evidence(e, Deferred).look_number
    ]
    return [v for v in dict.fromkeys(looked) if v is not None and v in undecided]


def list_open_episodes(entries: Sequence[Entry]) -> list[Entry]:
    """Return the episodes that are still open, oldest first."""
    closed = {e.key for e in entries if e.what == "episode_closed"}
    return [e for e in entries if e.what == "episode_opened" and closing_key(e) not in closed]


def list_unanswered(entries: Sequence[Entry]) -> list[Entry]:
    """Return the requests that nothing has answered yet, oldest first."""
    return [e for e in entries if e.what in get_args(RequestKind) and not _is_answered(e, entries)]


def list_unanswered_alerts(entries: Sequence[Entry]) -> list[Entry]:
    """Return the alerts that have no candidate yet."""
    return [e for e in list_unanswered(entries) if e.what == "alert_raised"]


def list_unclaimed_alerts(entries: Sequence[Entry]) -> list[Entry]:
    """Return the alerts that no run has claimed; their event may have been lost."""
    keys = {entry.key for entry in entries}
    return [e for e in list_unanswered_alerts(entries) if claim_key(e) not in keys]


def list_undecided_candidates(entries: Sequence[Entry]) -> list[Entry]:
    """Return the candidates that are neither promoted, nor refused, nor replaced by a refit."""
    decided = {e.version for e in entries if e.what in ("promoted", "refused")}
    keys = {e.key for e in entries}
    return [
        e
        for e in entries
        if e.what == "candidate_registered"
        and e.version is not None
        and e.version not in decided
        and candidate_key(refit_key(e.version)) not in keys
    ]


def _find_key(entries: Sequence[Entry], key: str) -> Entry | None:
    return next((e for e in entries if e.key == key), None)


def _champion_changes(entries: Sequence[Entry]) -> list[Entry]:
    """Return the promotions, rollbacks and recoveries in order; a recovery may have no version."""
    kinds = ("promoted", "rolled_back")
    return [
        e for e in entries if e.what == "recovered" or (e.what in kinds and e.version is not None)
    ]


def _is_answered(request: Entry, entries: Sequence[Entry]) -> bool:
    """Return whether a request was answered.

    An alert is answered by its candidate, a rollback by its key or by the next promotion, which
    leaves nothing to undo, the others by the next step of the version or by its refit.

    A version is candidate twice if it answers two alerts; one decision on it answers both.
    """
    if request.what == "alert_raised":
        return find_candidate(entries, request.key) is not None
    if request.what == "rollback_asked":
        superseded = any(e.what == "promoted" and e.seq > request.seq for e in entries)
        return superseded or _find_key(entries, rollback_key(request)) is not None
    since = 0 if request.what == "candidate_registered" else request.seq
    later = [e for e in entries if e.version == request.version and e.seq > since]
    if request.version is not None and find_refit(entries, request.version) is not None:
        return True
    return any(e.what in _ANSWERS for e in later)
