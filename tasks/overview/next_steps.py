"""What a model waits for: its next due moment, its state, and the next step of a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from tasks.ledger.causes import (
    BAKE_KIND,
    DAMAGE_KIND,
    FRESHNESS_KIND,
    LOST_KIND,
    PROMETHEUS_KIND,
    TARGET_KIND,
    TECHNICAL_KIND,
)
from tasks.ledger.descriptions import describe_no_champion, read_bake_end, read_reason
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.ledger.log import Entry
from tasks.ledger.retrain_cooldown import list_trainings_in_cooldown
from tasks.overview.facts import ModelFacts
from tasks.rollout.state import find_rollout

ModelState = Literal["alert", "ticket", "waits", "overdue", "unknown", "well", "new", "broken"]
_SOURCES = {
    "landed": "new rows", "labelled": "new labels", "scored": "a score run",
    "monitored": "a monitor run",
}  # fmt: skip


def find_next_due(facts: ModelFacts) -> tuple[datetime, str] | None:
    """Return the earliest moment at which something is due, and what; None without a deadline."""
    due = sorted(_list_due(facts))
    return due[0] if due else None


def find_missed_deadline(facts: ModelFacts) -> tuple[datetime, str] | None:
    """Return the deadline that passed first, and what did not arrive by it; None without one."""
    overdue = sorted(due for due in _list_deadlines(facts) if due[0] < facts.moment)
    return overdue[0] if overdue else None


def _list_deadlines(facts: ModelFacts) -> Iterator[tuple[datetime, str]]:
    for source, deadline in facts.use_case.deadlines.spans.items():
        if source in facts.latest:
            yield facts.latest[source] + deadline, _SOURCES[source]


def _list_due(facts: ModelFacts) -> Iterator[tuple[datetime, str]]:
    yield from _list_deadlines(facts)
    rollout = find_rollout(facts.ledger.entries)
    if rollout is not None:
        yield rollout.since + rollout.step, f"review of version {rollout.version}"
    champion = facts.ledger.champion
    bake_end = read_bake_end(champion) if champion else None
    if bake_end is not None and bake_end > facts.moment:
        yield bake_end, "end of the bake window"


def find_model_state(facts: ModelFacts) -> ModelState:
    """Return the state of a model, the worst that holds."""
    severities = {read_evidence(e, EpisodeOpened).severity for e in facts.ledger.open_episodes}
    if "page" in severities:
        return "alert"
    if facts.ledger.champion is None:
        return "new"
    if facts.ledger.list_requests("rollback_asked") or _find_approval(facts):
        return "waits"
    if "ticket" in severities:
        return "ticket"
    if find_missed_deadline(facts) is not None:
        return "overdue"
    return "well" if is_performance_known(facts) else "unknown"


def is_performance_known(facts: ModelFacts) -> bool:
    """Return whether the last monitored window has a judged performance rule or a mature metric."""
    if "monitored" not in facts.latest:
        return False
    last = facts.measured.filter(as_of=facts.latest["monitored"], kind="performance")
    return not last.is_empty() and bool(last["value"].is_not_null().any())


def describe_next_step(facts: ModelFacts) -> str:
    """Return one sentence: what a person does next, or why nothing is to be done."""
    return next(_list_steps(facts))


def _list_steps(facts: ModelFacts) -> Iterator[str]:
    """Yield the steps by urgency; the last one is always there."""
    ledger, name = facts.ledger, facts.use_case.name
    if (approval := _find_approval(facts)) is not None:
        version = approval.version
        yield f"Approve or reject version {version}: mainspring approve {name} {version}."
    steps = (_describe_episode_step(facts, e) for e in sorted(ledger.open_episodes, key=_rank))
    yield from filter(None, steps)
    for request in ledger.list_requests("rollback_asked"):
        yield f"A rollback is asked for and starts by itself: {read_reason(request)}."
    if ledger.champion is None:
        yield _as_sentence(describe_no_champion(ledger.entries, name))
    yield from _list_running_steps(facts)
    if not is_performance_known(facts):
        yield f"Nothing yet: too few labels are known to judge it. {_describe_wait(facts)}"
    yield "Nothing: every rule that could be judged holds."


def _list_running_steps(facts: ModelFacts) -> Iterator[str]:
    """Yield what is overdue, then what goes on by itself: a rollout, a decision, a bake window."""
    overdue = find_missed_deadline(facts)
    if overdue is not None:
        yield f"Look why {overdue[1]} did not arrive by {overdue[0]:%Y-%m-%d %H:%M} UTC."
    rollout = find_rollout(facts.ledger.entries)
    if rollout is not None:
        share = f"{rollout.share:.0%} of the decisions" if rollout.share else "shadow predictions"
        stage = f"stage {rollout.stage + 1} of {len(rollout.shares)}"
        yield f"Nothing: version {rollout.version} makes {share}, {stage}; the next review follows."
    elif facts.ledger.undecided_candidates:
        version = facts.ledger.undecided_candidates[-1].version
        yield f"Nothing: version {version} waits for enough fresh labels, then the gate decides."
    champion = facts.ledger.champion
    bake_end = read_bake_end(champion) if champion else None
    if bake_end is not None and bake_end > facts.moment:
        yield f"Nothing: the bake window compares both champions until {bake_end:%Y-%m-%d}."


def _find_approval(facts: ModelFacts) -> Entry | None:
    """Return the request for approval that a person has not answered."""
    answered = {e.version for e in facts.ledger.entries if e.what in ("approved", "rejected")}
    undecided = {e.version for e in facts.ledger.undecided_candidates} - answered
    requests = [e for e in facts.ledger.entries if e.what == "approval_asked"]
    return next((e for e in reversed(requests) if e.version in undecided), None)


def _rank(episode: Entry) -> tuple[int, int]:
    opened = read_evidence(episode, EpisodeOpened)
    return ("page", "ticket", "inform").index(opened.severity), episode.seq


def _describe_episode_step(facts: ModelFacts, episode: Entry) -> str | None:
    """Return what to do about an open episode; None if it only informs."""
    opened, name = read_evidence(episode, EpisodeOpened), facts.use_case.name
    if opened.severity == "inform":
        return None
    steps = {
        LOST_KIND: "Look at the lost rows, then release or repair them: "
        f"mainspring quarantine {name}.",
        FRESHNESS_KIND: f"Find out why nothing arrives: {opened.message}.",
        BAKE_KIND: f"Look whether the champion stays: mainspring history {name} --gates.",
        TECHNICAL_KIND: f"Look at the server's log and load: {opened.message}.",
        PROMETHEUS_KIND: f"Look at the alert in Alertmanager: {opened.message}.",
        DAMAGE_KIND: f"Restore the damaged files: mainspring verify {name}.",
        TARGET_KIND: f"Look at the target; it is tried again by itself: {opened.message}",
        "contract": f"Look at the source of the data: {opened.message}.",
        "online": f"Look at the requests: {opened.message}.",
    }
    return steps.get(opened.kind) or _describe_retraining(facts)


def _describe_retraining(facts: ModelFacts) -> str:
    """Return how far the answer to an alert on performance or drift is."""
    if facts.ledger.list_requests("alert_raised"):
        return "Nothing yet: a retraining is asked for, and its candidate meets the gate."
    if facts.ledger.undecided_candidates:
        version = facts.ledger.undecided_candidates[-1].version
        return f"Nothing yet: version {version} answers the alert, and waits for its decision."
    cooldown = facts.use_case.retrain.cooldown
    trained = list_trainings_in_cooldown(facts.ledger.entries, facts.moment, cooldown)
    if not trained:
        return "Nothing yet: the next monitor run asks for a retraining if the alert lasts."
    until = trained[-1].at + cooldown
    return (
        "Look at the alert: the last training did not end it, and the next one may begin on "
        f"{until:%Y-%m-%d}."
    )


def _describe_wait(facts: ModelFacts) -> str:
    labelled = facts.latest.get("labelled")
    return f"The newest label is of {labelled:%Y-%m-%d}." if labelled else "No label is known."


def _as_sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def describe_age(since: datetime, until: datetime) -> str:
    """Return the time between two moments in its largest unit: `63 days`, `5 hours`.

    Args:
        since: the earlier moment.
        until: the later one.
    """
    span = max(until - since, timedelta(0))
    for unit, length in (("day", timedelta(days=1)), ("hour", timedelta(hours=1))):
        if (count := span // length) >= 1:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{span // timedelta(minutes=1)} min"
