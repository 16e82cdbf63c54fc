"""State of a candidate: its registration, approval, rollout and decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from configs.errors import Terminal
from configs.schema.use_case import UseCase
from tasks.evaluation.alpha_spending import GateLook, next_look_time, plan_gate_look
from tasks.ledger import projections
from tasks.ledger.evidence import CandidateRegistered, GateEvidence, read_evidence
from tasks.ledger.log import Entry
from tasks.ledger.state import LedgerState
from tasks.rollout.state import RunningRollout, find_rollout


@dataclass(frozen=True)
class CandidateState:
    """A candidate, the ledger when it was read, and the moment of its next step.

    `at` is never before the last change of champion, nor before the last entry of the version.
    """

    use_case: UseCase
    version: int
    ledger: LedgerState
    at: datetime

    @cached_property
    def registered(self) -> Entry:
        """The entry that registered it."""
        return _require_registered(self.ledger.entries, self.use_case.name, self.version)

    @cached_property
    def decision(self) -> Entry | None:
        """Its promotion or refusal; None while there is none."""
        return projections.find_decision(self.ledger.entries, self.version)

    @cached_property
    def approval_request(self) -> Entry | None:
        """The request to approve it, with the evidence of the gate that it passed."""
        return projections.find_approval_request(self.ledger.entries, self.version)

    @cached_property
    def approval(self) -> Entry | None:
        """The approval or rejection by a person."""
        return projections.find_approval(self.ledger.entries, self.version)

    @cached_property
    def refit_request(self) -> Entry | None:
        """The request to refit it, or the version whose refit it is, with the gate's evidence."""
        judged = projections.find_judged_version(self.ledger.entries, self.version)
        return projections.find_refit_request(self.ledger.entries, judged or self.version)

    @property
    def is_refitted(self) -> bool:
        """Whether its refit is over: it is one itself, or it was dropped."""
        dropped = projections.find_dropped_refit(self.ledger.entries, self.version)
        return dropped is not None or self.agreement is not None

    @cached_property
    def agreement(self) -> GateEvidence | None:
        """The checks of a refit against the judged version; None of other candidates."""
        evidence = read_evidence(self.registered, CandidateRegistered)
        return GateEvidence(gates=evidence.gates) if evidence.refit_of is not None else None

    @property
    def champion(self) -> Entry | None:
        """The promotion or rollback that made the champion that it would replace."""
        return self.ledger.champion

    @cached_property
    def due_look(self) -> GateLook | None:
        """The look of the gate that is due; None before the next one."""
        gate, last = self.use_case.gate, self._last_look
        return plan_gate_look(gate.looks, gate.patience, self.registered.at, self.at, last)

    @property
    def next_look_time(self) -> datetime | None:
        """The time from which the next look is due; None after the last one."""
        gate = self.use_case.gate
        return next_look_time(gate.looks, gate.patience, self.registered.at, self._last_look)

    @cached_property
    def _last_look(self) -> int:
        return projections.find_last_look(self.ledger.entries, self.version)

    @cached_property
    def rollout(self) -> RunningRollout | None:
        """The running rollout, of this version or of another one."""
        return find_rollout(self.ledger.entries)


def read_candidate_state(
    use_case: UseCase, ledger: LedgerState, version: int, as_of: datetime | None
) -> CandidateState:
    """Return the state of a candidate at `as_of`, by default at its last entry.

    Terminal if the ledger has no such candidate.
    """
    entries = ledger.entries
    _require_registered(entries, use_case.name, version)
    times = [e.at for e in entries if e.version == version or e == ledger.champion]
    return CandidateState(use_case, version, ledger, max([*times, as_of or times[0]]))


def _require_registered(entries: Sequence[Entry], model: str, version: int) -> Entry:
    for entry in entries:
        if entry.what == "candidate_registered" and entry.version == version:
            return entry
    raise Terminal(
        f"the ledger of {model} has no candidate of version {version}: `mainspring run train "
        f"{model}` makes one"
    )
