"""Constructors of ledger entries, one a kind: the only place that builds entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from configs.schema.base import Severity
from tasks.ledger.causes import MINUTE_KINDS, PROMETHEUS_KIND
from tasks.ledger.evidence import (
    AlertRaised,
    ApprovalAsked,
    ApprovalGiven,
    CandidateRegistered,
    Deferred,
    EpisodeClosed,
    EpisodeOpened,
    GateEvidence,
    Notified,
    Promoted,
    PromotionTerms,
    Reason,
    Recovered,
    Refused,
    RetrainStarted,
    RollbackAsked,
    RolledBack,
    RolloutGrown,
    RolloutPlan,
    RolloutStage,
    RolloutStarted,
    SchemaMigrated,
    StepAsked,
    merge_evidence,
    read_evidence,
)
from tasks.ledger.keys import (
    approval_key,
    approval_request_key,
    candidate_key,
    claim_key,
    closing_key,
    decision_key,
    deferral_key,
    look_key,
    manual_promotion_key,
)  # fmt: skip
from tasks.ledger.log import Entry, EntryKind


def make_episode_opened(
    model: str, version: int | None, at: datetime, actor: str, evidence: EpisodeOpened
) -> Entry:
    """Return the entry that opens an episode: one a cause and day, or minute for some kinds."""
    time = f"{at:%Y-%m-%dT%H:%M}" if evidence.kind in MINUTE_KINDS else f"{at:%Y-%m-%d}"
    seconds = f":{at:%S}" if evidence.kind == PROMETHEUS_KIND else ""  # it may fire again soon
    key = f"episode:{evidence.cause}:{time}{seconds}"
    return Entry(model, "episode_opened", key, at, actor, version, evidence.to_json())


def make_episode_closed(episode: Entry, reason: str, at: datetime, actor: str) -> Entry:
    """Return the entry that closes an episode."""
    opened = read_evidence(episode, EpisodeOpened)
    evidence = EpisodeClosed(
        episode=episode.key, cause=opened.cause, severity=opened.severity, reason=reason
    )
    key = closing_key(episode)
    return Entry(
        episode.model, "episode_closed", key, at, actor, episode.version, evidence.to_json()
    )


def make_alert_raised(
    episodes: Sequence[Entry], at: datetime, actor: str, messages: Mapping[str, str] | None = None
) -> Entry:
    """Return the entry that asks for retraining because of open episodes.

    Args:
        episodes: the open episodes, the oldest first.
        at: moment of the alert.
        actor: what raises it.
        messages: what is measured at `at`, by cause; without it, what opened the episode.
    """
    oldest, opened = episodes[0], [read_evidence(each, EpisodeOpened) for each in episodes]
    evidence = AlertRaised(
        episode=oldest.key,
        causes=[each.cause for each in opened],
        message="; ".join((messages or {}).get(e.cause, e.message) for e in opened),
    )
    key = f"alert:{oldest.key}:{at:%Y-%m-%d}"
    return Entry(oldest.model, "alert_raised", key, at, actor, oldest.version, evidence.to_json())


def make_retrain_started(alert: Entry, run: str) -> Entry:
    """Return the entry by which a run claims an alert."""
    evidence = RetrainStarted(alert=alert.key, run=run)
    key, actor = claim_key(alert), f"retrain {run}"
    return Entry(alert.model, "retrain_started", key, alert.at, actor, None, evidence.to_json())


def make_candidate_registered(
    model: str, version: int, at: datetime, actor: str, evidence: CandidateRegistered
) -> Entry:
    """Return the entry of a registered version that waits for its decision."""
    key = candidate_key(evidence.origin)
    return Entry(model, "candidate_registered", key, at, actor, version, evidence.to_json())


def make_deferred(model: str, version: int, at: datetime, actor: str, evidence: Deferred) -> Entry:
    """Return the entry that defers a decision: one a look of the gate, else one a day."""
    look = evidence.look_number
    key = look_key(version, look) if look else deferral_key(version, at)
    return Entry(model, "deferred", key, at, actor, version, evidence.to_json())


def make_approval_asked(
    model: str, version: int, at: datetime, actor: str, evidence: ApprovalAsked
) -> Entry:
    """Return the entry that asks a person for approval."""
    key = approval_request_key(version)
    return Entry(model, "approval_asked", key, at, actor, version, evidence.to_json())


def make_approval_given(
    request: Entry, at: datetime, actor: str, reason: str, *, approve: bool
) -> Entry:
    """Return the entry of a person's approval or rejection of what was requested."""
    assert request.version is not None
    what: EntryKind = "approved" if approve else "rejected"
    key, evidence = approval_key(request.version), ApprovalGiven(reason=reason)
    return Entry(request.model, what, key, at, actor, request.version, evidence.to_json())


def make_rollout_started(
    model: str, version: int, at: datetime, actor: str, gate: GateEvidence, plan: RolloutPlan
) -> Entry:
    """Return the entry that starts a rollout, after what the gate measured.

    Args:
        model: name of the use case
        version: the challenger
        at: start of the first stage
        actor: the run that decides
        gate: evidence of the gate, with its reason
        plan: kind, stages and times of the rollout
    """
    key, evidence = f"rollout:{version}", merge_evidence(RolloutStarted, gate, plan)
    return Entry(model, "rollout_started", key, at, actor, version, evidence.to_json())


def make_rollout_grown(
    model: str, version: int, at: datetime, actor: str, review: GateEvidence, stage: RolloutStage
) -> Entry:
    """Return the entry of a rollout that enters its next stage.

    Args:
        model: name of the use case
        version: the challenger
        at: start of the stage
        actor: the run that decides
        review: evidence of the stage that passed, with its reason
        stage: the next stage and its share
    """
    key, evidence = f"rollout:{version}:{stage.stage}", merge_evidence(RolloutGrown, review, stage)
    return Entry(model, "rollout_grown", key, at, actor, version, evidence.to_json())


def make_step_asked(model: str, version: int, at: datetime, actor: str, reason: str) -> Entry:
    """Return the entry that asks for the next step of a candidate; one a version and day.

    Args:
        model: name of the use case
        version: the candidate
        at: moment from which the step is due
        actor: what asks
        reason: why the candidate can go on
    """
    key, evidence = f"step:{version}:{at:%Y-%m-%d}", StepAsked(reason=reason)
    return Entry(model, "step_asked", key, at, actor, version, evidence.to_json())


def make_promoted(
    model: str, version: int, at: datetime, actor: str, gate: GateEvidence, terms: PromotionTerms
) -> Entry:
    """Return the entry that makes a version champion, after the gate or its rollout.

    Args:
        model: name of the use case
        version: the new champion
        at: moment from which it is champion
        actor: the run that decides
        gate: evidence of the gate or of the last stage, with its reason
        terms: the champion before and the end of the bake window
    """
    key, evidence = decision_key(version), merge_evidence(Promoted, gate, terms)
    return Entry(model, "promoted", key, at, actor, version, evidence.to_json())


def make_manually_promoted(
    model: str, version: int, at: datetime, actor: str, evidence: Promoted, earlier: int = 0
) -> Entry:
    """Return the entry that makes a version champion because a person decided it.

    Args:
        model: name of the use case
        version: the new champion
        at: moment from which it is champion
        actor: the person
        evidence: the reason and the digests
        earlier: number of earlier manual promotions of the version
    """
    key = manual_promotion_key(version, earlier)
    return Entry(model, "promoted", key, at, actor, version, evidence.to_json())


def make_refused(model: str, version: int, at: datetime, actor: str, evidence: Refused) -> Entry:
    """Return the entry that refuses a candidate for good."""
    key = decision_key(version)
    return Entry(model, "refused", key, at, actor, version, evidence.to_json())


def make_rollback_asked(
    promotion: Entry, episode: Entry, at: datetime, actor: str, bake: GateEvidence | None
) -> Entry:
    """Return the entry that asks for the rollback of a promotion.

    Args:
        promotion: the promotion to undo
        episode: the open episode of its bake window
        at: moment of the request
        actor: what asks
        bake: what the bake window shows now, with its reason; the episode's message without it
    """
    shown = Reason(reason=read_evidence(episode, EpisodeOpened).message)
    request = RollbackAsked(promotion=promotion.key, episode=episode.key)
    evidence = merge_evidence(RollbackAsked, request, shown, *([] if bake is None else [bake]))
    key = f"undo:{promotion.seq}"
    return Entry(
        promotion.model, "rollback_asked", key, at, actor, promotion.version, evidence.to_json()
    )


def make_rolled_back(
    promotion: Entry, champion: int | None, at: datetime, actor: str, grounds: RolledBack
) -> Entry:
    """Return the entry that undoes a promotion.

    Args:
        promotion: the promotion that is undone
        champion: the version that is champion again
        at: moment from which it is
        actor: the run or person that decides
        grounds: why, and what was measured
    """
    undone = RolledBack(loser=promotion.version, promotion=promotion.key)
    evidence = merge_evidence(RolledBack, undone, grounds)
    key = f"rollback:{promotion.seq}"
    return Entry(promotion.model, "rolled_back", key, at, actor, champion, evidence.to_json())


def make_recovered(
    champion: Entry, version: int | None, at: datetime, actor: str, evidence: Recovered
) -> Entry:
    """Return the entry that replaces a lost champion.

    Args:
        champion: the entry that made the lost version champion
        version: the version that is champion from then on; None if none can be proved
        at: moment from which it is
        actor: the person who decides
        evidence: what was lost, and why
    """
    key = f"recovered:{champion.seq}"
    return Entry(champion.model, "recovered", key, at, actor, version, evidence.to_json())


def make_retired(model: str, at: datetime, actor: str, reason: str) -> Entry:
    """Return the entry by which a person ends a use case.

    Args:
        model: name of the use case
        at: moment of the retirement
        actor: the person
        reason: why
    """
    key, evidence = f"retired:{at:%Y-%m-%dT%H:%M}", Reason(reason=reason)
    return Entry(model, "retired", key, at, actor, None, evidence.to_json())


def make_notified(entry: Entry, block: str, severity: Severity | None, actor: str) -> Entry:
    """Return the entry that says that a block was notified of another entry."""
    evidence = Notified(block=block, entry=entry.key, severity=severity)
    key = f"notified:{block}:{entry.key}"
    return Entry(entry.model, "notified", key, entry.at, actor, entry.version, evidence.to_json())


def make_schema_migrated(model: str, at: datetime, actor: str, evidence: SchemaMigrated) -> Entry:
    """Return the entry that gives columns of a table other types; one a version of the table."""
    key = f"schema:{evidence.table}:{evidence.from_version}"
    return Entry(model, "schema_migrated", key, at, actor, None, evidence.to_json())
