"""Ledger entries in words."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from configs.schema.base import Severity
from tasks.evaluation.problem_types import PROBLEM_TYPES
from tasks.ledger.evidence import (
    EVIDENCE,
    AlertRaised,
    CandidateRegistered,
    EpisodeClosed,
    EpisodeOpened,
    GateCheck,
    GateEvidence,
    Promoted,
    Reason,
    Recovered,
    RetrainStarted,
    RollbackAsked,
    RolledBack,
    RolloutGrown,
    RolloutStarted,
    RowsChanged,
    read_evidence,
)
from tasks.ledger.keys import is_manual_promotion
from tasks.ledger.log import Entry
from tasks.ledger.projections import find_champion

_RUN_ID = re.compile(r" [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_ABOUT_ENTRIES = ("notified", "step_asked", "episode_opened", "episode_closed")
_MEASURED = ("performance", "drift", "contract", "online")
_ROW_CHANGES = ("rows_released", "rows_repaired", "rows_erased")
_BY_PERSON = ("approved", "rejected", "recovered", "retired", "schema_migrated", *_ROW_CHANGES)


def entries_about(entries: Sequence[Entry], version: int) -> list[Entry]:
    """Return the entries of a version: its own, the alert behind it, and its replacement."""
    own = [e for e in entries if e.version == version]
    origins = {
        evidence.origin for e in own if isinstance(evidence := _evidence(e), CandidateRegistered)
    }
    return [e for e in entries if version in versions_concerned(e) or e.key in origins]


def versions_concerned(entry: Entry) -> list[int]:
    """Return the versions that an entry is about: its own, and the champion that it replaced."""
    evidence, replaced = _evidence(entry), None
    if isinstance(evidence, Promoted):
        replaced = evidence.champion_version
    elif isinstance(evidence, RolledBack):
        replaced = evidence.loser
    elif isinstance(evidence, Recovered):
        replaced = evidence.lost
    elif isinstance(evidence, CandidateRegistered):
        replaced = evidence.refit_of
    return [version for version in (entry.version, replaced) if version is not None]


def describe_standing(entries: Sequence[Entry], version: int) -> str:
    """Return one line on where a version stands: champion, or what happened to it last."""
    champion = find_champion(entries)
    if champion is not None and champion.version == version:
        return f"Version {version} is champion since {champion.at:%Y-%m-%d %H:%M} UTC."
    own = entries_about(entries, version)
    last = f"{describe_event(own[-1])}, {own[-1].at:%Y-%m-%d}" if own else "not in the ledger"
    return f"Version {version} is not champion; last: {last}."


def describe_no_champion(entries: Sequence[Entry], model: str) -> str:
    """Return one line on why there is no champion yet, and the next command."""
    own = [e for e in entries if e.version is not None and e.what not in _ABOUT_ENTRIES]
    if not own:
        return f"no champion yet: run `mainspring run train {model}`"
    last = own[-1]
    commands = {
        "refused": f"promote it manually with mainspring promote {model} {last.version}, or run "
        f"mainspring run train {model} again",
        "approval_asked": f"answer with mainspring approve (or reject) {model} {last.version}",
    }
    command = commands.get(last.what, f"its decision follows; see mainspring history {model}")
    reason = f": {read_reason(last)}" if read_reason(last) else ""
    return f"no champion yet: {describe_event(last)}, {last.at:%Y-%m-%d}{reason}; {command}"


def describe_event(entry: Entry) -> str:
    """Return what an entry says, with its version: `promoted v2`, `rolled back to v1`."""
    event, share = entry.what.replace("_", " "), read_share(entry)
    if entry.version is None:
        return event
    to = "to " if entry.what in ("rolled_back", "recovered") else ""
    text = f"{event} {to}v{entry.version}"
    return f"{text} ({share:.0%})" if share else text


def describe_actor(entry: Entry) -> str:
    """Return who acted: a person's name, or a flow without the id of its run."""
    return _RUN_ID.sub("", entry.actor)


def describe_evidence(entry: Entry) -> str:
    """Return one line of the evidence of an entry."""
    evidence = _evidence(entry)
    if isinstance(evidence, CandidateRegistered):
        return _describe_candidate(evidence)
    if isinstance(evidence, EpisodeOpened):
        return _describe_episode(evidence) or entry.key
    if isinstance(evidence, AlertRaised) and evidence.causes:
        return f"retraining is requested for {', '.join(evidence.causes)}"
    if isinstance(evidence, RetrainStarted):
        return f"for the alert of {evidence.alert.rpartition(':')[2]}"
    if isinstance(evidence, EpisodeClosed):
        return f"{evidence.cause or evidence.episode}: {evidence.reason}"
    text = read_reason(entry) or entry.key
    return f"by {entry.actor}: {text}" if _is_by_person(entry) else text


def read_reason(entry: Entry) -> str:
    """Return the reason of an entry or the message of its alert or episode; empty without."""
    evidence = _evidence(entry)
    if isinstance(evidence, EpisodeOpened | AlertRaised):
        return evidence.message
    if isinstance(evidence, RowsChanged):
        return f"{evidence.rows} rows of {evidence.table or 'all tables'}: {evidence.reason}"
    return evidence.reason if isinstance(evidence, Reason) else ""


def read_gates(entry: Entry) -> list[GateCheck]:
    """Return the gate checks of a decision; none of other entries."""
    evidence = _evidence(entry)
    return evidence.gates if isinstance(evidence, GateEvidence) else []


def list_decision_records(
    entries: Sequence[Entry], version: int, stated: Collection[str]
) -> list[dict[str, Any]]:
    """Return the decisions on a version as the ledger has them, with reasons and gate checks.

    Args:
        entries: of the use case.
        version: the version.
        stated: kinds of entries that are decisions; one with gate checks is always one.
    """
    return [
        {
            "seq": e.seq, "what": e.what, "key": e.key, "at": e.at.isoformat(), "actor": e.actor,
            "reason": e.evidence.get("reason", ""), "checks": e.evidence.get("gates", []),
        }
        for e in entries
        if e.version == version and (e.what in stated or e.evidence.get("gates"))
    ]  # fmt: skip


def read_share(entry: Entry) -> float | None:
    """Return the share of a rollout stage; None of other entries."""
    evidence = _evidence(entry)
    return evidence.share if isinstance(evidence, RolloutStarted | RolloutGrown) else None


def read_cause(entry: Entry) -> str:
    """Return the cause of an episode; empty for other entries."""
    evidence = _evidence(entry)
    return evidence.cause if isinstance(evidence, EpisodeOpened | EpisodeClosed) else ""


def read_severity(entry: Entry) -> Severity | None:
    """Return the severity of an episode; None of other entries."""
    evidence = _evidence(entry)
    return evidence.severity if isinstance(evidence, EpisodeOpened | EpisodeClosed) else None


def read_promotion(entry: Entry) -> str | None:
    """Return the key of the promotion that a request asks to roll back; None of other entries."""
    return read_evidence(entry, RollbackAsked).promotion if entry.what == "rollback_asked" else None


def read_bake_end(entry: Entry) -> datetime | None:
    """Return the end of a promotion's bake window; None without one and of other entries."""
    return read_evidence(entry, Promoted).bake_until if entry.what == "promoted" else None


def _format_metric(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _is_by_person(entry: Entry) -> bool:
    """Return whether a person decided: an approval, a manual promotion or rollback."""
    evidence = _evidence(entry)
    by_hand = isinstance(evidence, RolledBack) and evidence.by_hand
    return by_hand or is_manual_promotion(entry) or entry.what in _BY_PERSON


def _describe_candidate(evidence: CandidateRegistered) -> str:
    metrics = ", ".join(
        f"{name} {_format_metric(evidence.holdout[name])}"
        for name in PROBLEM_TYPES[evidence.kind].status_metrics
    )
    fitted = f"{evidence.algorithm} on {evidence.rows['train']:,} rows"
    if evidence.refit_of is not None:
        return f"{fitted}: refit of version {evidence.refit_of}, whose holdout has {metrics}"
    return f"{fitted}; holdout {metrics}"


def _describe_episode(evidence: EpisodeOpened) -> str:
    """Return the cause and its value beside the limit; a gap is limited to both sides."""
    if evidence.value is None or evidence.threshold is None or evidence.kind not in _MEASURED:
        return evidence.message
    sign = "±" if evidence.subject.startswith("calibration_gap") else ""
    count = evidence.message.partition("; ")[2]
    trained = "" if evidence.reference is None else f", at training {evidence.reference:.4g}"
    limit = f"limit {sign}{evidence.threshold:.4g}{trained if evidence.kind != 'drift' else ''}"
    text = f"{evidence.cause} is {evidence.value:.4g} ({limit})"
    return f"{text}; {count}" if count else text


def _evidence(entry: Entry) -> object:
    return EVIDENCE[entry.what].model_validate(entry.evidence)
