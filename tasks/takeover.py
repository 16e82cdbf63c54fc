"""From candidate to champion, one step at a time, each a compare-and-set insert into the ledger.

candidate ► gate ► (a person) ► roll-out, stage by stage ► champion; or refused on the way, or
deferred until more is known. What the next step is, only the ledger and the YAML say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from prefect import get_run_logger, runtime, task

from configs.clock import write_duration
from configs.errors import Terminal
from configs.faults import effect
from configs.use_case import UseCase
from tasks import rollout
from tasks.candidacy import Candidacy, candidacy
from tasks.ledger import Entry, Ledger, What, ledger
from tasks.promotion import Decision
from tasks.retries import STEADY
from tasks.rollout import Rolling

if TYPE_CHECKING:
    from tasks.review import Review

Gate = Callable[[Candidacy], Decision]
Look = Callable[[UseCase, Sequence[Entry], datetime], "Review | None"]


@dataclass(frozen=True)
class Step:
    """What the ledger is to say next about a version."""

    what: What
    key: str
    evidence: dict[str, Any]


def carry(
    book: Ledger,
    use_case: UseCase,
    version: int,
    as_of: datetime | None,
    actor: str,
    gate: Gate,
    look: Look,
) -> Entry:
    """Take a version one step further than the ledger has it; the entry of the step.

    The last entry stands where there is nothing to do: it is decided, or a person has not
    answered. Conflict if the ledger moved on in the meantime: look again, the champion may be
    another one by now.
    """
    it = candidacy(use_case, book.entries(use_case.name), version, as_of)
    step = it.decision or next_step(it, gate, look)
    if isinstance(step, Entry):
        return step
    entry = Entry(use_case.name, step.what, step.key, it.at, actor, version, step.evidence)
    with effect("record the step"):
        return book.record(entry, expected_seq=len(it.entries))[0]


def next_step(it: Candidacy, gate: Gate, look: Look) -> Step | Entry:
    """What comes next for a candidate that is not decided; an entry is one that stands."""
    rolling = it.rolling
    if rolling is not None and rolling.version == it.version:
        return _rolled(it, rolling, look)
    if it.answer is not None and it.answer.what == "rejected":
        return _refuse(it, f"rejected by {it.answer.actor}: {it.answer.evidence['reason']}")
    if it.asked is not None and it.answer is None:
        late = _over(it, it.asked.at)
        return _refuse(it, f"nobody approved of it in {late}") if late else it.asked
    if rolling is not None:
        return _defer(it, f"version {rolling.version} rolls out; one at a time", {})
    if it.asked is not None and not _other_champion(it, it.asked.seq):
        return _begin(it, it.asked.evidence)
    return _gated(it, gate)


def _gated(it: Candidacy, gate: Gate) -> Step:
    decision = gate(it)
    evidence = {"reason": decision.reason, **decision.evidence}
    if decision.verdict == "wait":
        return _defer(it, decision.reason, evidence)
    if decision.verdict == "fail":
        return _refuse(it, decision.reason, evidence)
    if it.use_case.approval == "manual" and it.answer is None:
        return Step("approval_asked", f"approval_asked:{it.version}", evidence)
    return _begin(it, evidence)


def _begin(it: Candidacy, evidence: dict[str, Any]) -> Step:
    """What the gate let in rolls out, or takes over at once."""
    plan = rollout.begin(it.use_case, None if it.champion is None else it.champion.version)
    if plan is None:
        return Step("promoted", f"decision:{it.version}", {**evidence, **_crown(it)})
    return Step("rollout_started", f"rollout:{it.version}", {**evidence, **plan})


def _rolled(it: Candidacy, rolling: Rolling, look: Look) -> Step:
    """What a stage of its own roll-out has shown."""
    found = look(it.use_case, it.entries, it.at)
    if found is None:
        raise Terminal(f"version {it.version} rolls out, but there is nothing to review")
    evidence = {"reason": found.reason, **found.evidence}
    if found.verdict == "fail":
        return _refuse(it, found.reason, {**evidence, "stage": rolling.stage})
    if found.verdict == "wait":
        return Step("deferred", _today(it), {**evidence, "stage": rolling.stage})
    grown = rollout.next_stage(rolling)
    if grown is None:
        return Step("promoted", f"decision:{it.version}", {**evidence, **_crown(it)})
    return Step("rollout_grown", f"rollout:{it.version}:{grown['stage']}", {**evidence, **grown})


def _defer(it: Candidacy, reason: str, evidence: dict[str, Any]) -> Step:
    """Wait for more, but no longer than the gate's patience."""
    if late := _over(it, it.registered.at):
        return _refuse(it, f"not let in within {late}: {reason}", evidence)
    return Step("deferred", _today(it), {**evidence, "reason": reason})


def _refuse(it: Candidacy, reason: str, evidence: dict[str, Any] | None = None) -> Step:
    said = {"stage": None, **(evidence or {}), "reason": reason}
    return Step("refused", f"decision:{it.version}", said)


def _over(it: Candidacy, since: datetime) -> str | None:
    """The gate's patience as it is written, if it is over; None while it is not."""
    patience = it.use_case.gate.patience
    return write_duration(patience) if it.at - since >= patience else None


def _today(it: Candidacy) -> str:
    return f"deferred:{it.version}:{it.at:%Y-%m-%d}"


def _other_champion(it: Candidacy, seq: int) -> bool:
    """Whether somebody else became champion after that entry: what it says is of the one before."""
    return it.champion is not None and it.champion.seq > seq


def _crown(it: Candidacy) -> dict[str, Any]:
    return crown(it.use_case, it.version, it.champion, it.at)


def crown(use_case: UseCase, version: int, before: Entry | None, at: datetime) -> dict[str, Any]:
    """What every promotion says: of whom, over whom, and until when it can be undone by itself."""
    bakes = before is not None and use_case.bake.window
    return {
        "challenger_version": version,
        "champion_version": None if before is None else before.version,
        "bake_until": (at + use_case.bake.window).isoformat() if bakes else None,
    }


@task(task_run_name="version {version}, one step further", **STEADY)
def carry_candidate(use_case: UseCase, version: int, as_of: datetime | None) -> Entry:
    """As `carry`, with the gate and the review that look at real rows."""
    actor = f"{runtime.flow_run.flow_name} {runtime.flow_run.id}"
    entry = carry(ledger(), use_case, version, as_of, actor, _gate, _look)
    get_run_logger().info(
        "version %s: %s at %s, %s", version, entry.what, entry.at, entry.evidence["reason"]
    )
    return entry


def _gate(it: Candidacy) -> Decision:
    from tasks.judgement import judge  # a step of a roll-out does without Feast and the models

    return judge(it)


def _look(use_case: UseCase, entries: Sequence[Entry], at: datetime) -> Review | None:
    from tasks.review import review

    return review(use_case, entries, at)
