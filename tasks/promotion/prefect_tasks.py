"""The promotion functions as Prefect tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from prefect import get_run_logger, runtime, suspend_flow_run, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.input import RunInput

from configs.schema.use_case import UseCase
from tasks.ledger.descriptions import gate_rows
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import list_unanswered
from tasks.orchestration.events import announce_champion, request_next_step
from tasks.orchestration.flow_runs import find_suspended_run, list_flow_runs
from tasks.orchestration.retries import RETRY_TRANSIENT
from tasks.promotion import advance, approval, bake, champion_alias, rollback
from tasks.promotion.approval import ApprovalAnswer, resume_approval_run
from tasks.promotion.bake import BakeEvaluation, record_rollback_request
from tasks.promotion.candidate_state import CandidateState
from tasks.promotion.due_steps import record_due_steps
from tasks.promotion.gate import Decision
from tasks.promotion.reconcile import answering_flow, find_overdue
from tasks.reporting.prefect_tasks import publish_model_cards

if TYPE_CHECKING:
    from tasks.promotion.stage_review import StageReview


@task(task_run_name="alias follows the ledger", **RETRY_TRANSIENT)
def sync_champion_alias(use_case: UseCase) -> int | None:
    """As `follow`, seen by Prefect."""
    version = champion_alias.sync_champion_alias(open_ledger(), use_case.name)
    get_run_logger().info("alias champion is version %s", version)
    return version


@task(task_run_name="ask again", **RETRY_TRANSIENT)
def resend_requests(use_case: UseCase, now: datetime) -> list[Entry]:
    """Ask again for what is overdue; the entries. `now` is the server's time, not the flows'.

    An answer goes to the run that waits for it, if one does.
    """
    waiting = list_unanswered(open_ledger().entries(use_case.name))
    late = []
    for flow in ("retrain", "promote", "rollback"):
        its = [entry for entry in waiting if answering_flow(entry) == flow]
        late += find_overdue(its, list_flow_runs(flow, use_case.name), now) if its else []
    for entry in late:
        get_run_logger().warning("nobody answers %s of %s: asked again", entry.key, entry.at)
        if not (entry.what in ("approved", "rejected") and resume_approval_run(entry)):
            request_next_step(entry)
    return late


APPROVAL_TIMEOUT = timedelta(days=7)  # the form; the command answers after it, too


class ApprovalForm(ApprovalAnswer, RunInput):
    """The answer as a form of Prefect's UI."""


def ask_person(entry: Entry) -> ApprovalForm | None:
    """Suspend this flow run until the form is filled in; what it says, once it runs again.

    None where Prefect cannot run it again, since it is of no deployment (the command answers), and
    where another run shows the form already.
    """
    if runtime.deployment.id is None or find_suspended_run("promote", entry.model, entry.version):
        get_run_logger().warning(
            'version %s waits for a person: mainspring approve %s %s --reason "…"',
            *(entry.version, entry.model, entry.version),
        )
        return None
    form = ApprovalForm.with_initial_data(description=entry.evidence["reason"])
    seconds = int(APPROVAL_TIMEOUT.total_seconds())
    key = f"approval-{entry.version}"  # takes no underscore
    return suspend_flow_run(wait_for_input=form, timeout=seconds, key=key)


@task(task_run_name="record the answer on version {version}", **RETRY_TRANSIENT)
def record_approval(use_case: UseCase, version: int, answer: ApprovalForm, now: datetime) -> Entry:
    """As `record_answer`, seen by Prefect."""
    entry, mine = approval.record_approval(open_ledger(), use_case.name, version, answer, now)
    said = "" if mine else ", before this form was filled in"
    get_run_logger().info("version %s was %s by %s%s", version, entry.what, entry.actor, said)
    return entry


@task(task_run_name="look at the bake", **RETRY_TRANSIENT)
def evaluate_bake(use_case: UseCase, as_of: datetime) -> BakeEvaluation | None:
    """As `look`, seen by Prefect."""
    baked = bake.evaluate_bake(use_case, open_ledger().entries(use_case.name), as_of)
    if baked is not None:
        pair = (baked.window.version, baked.window.previous)
        get_run_logger().info("version %s after %s: %s", *pair, baked.decision.reason)
    return baked


@task(task_run_name="ask for a rollback", **RETRY_TRANSIENT)
def request_rollback(
    use_case: UseCase, baked: BakeEvaluation | None, as_of: datetime
) -> Entry | None:
    """As `record_wish`; every ask is sent as long as nobody answers it."""
    wanted, waiting = record_rollback_request(open_ledger(), use_case.name, baked, as_of)
    for entry in waiting:
        get_run_logger().warning("%s: %s", entry.key, entry.evidence["reason"])
        request_next_step(entry)
    return wanted


@task(task_run_name="roll back {promotion}", **RETRY_TRANSIENT)
def roll_back_as_asked(use_case: UseCase, promotion: str, as_of: datetime) -> Entry | None:
    """As `roll_back_as_asked`, seen by Prefect."""
    actor = f"rollback {runtime.flow_run.id}"
    entry = rollback.roll_back_as_asked(open_ledger(), use_case.name, promotion, as_of, actor)
    if entry is None:
        get_run_logger().warning("%s made no champion any more: nothing to undo", promotion)
    else:
        get_run_logger().warning("version %s reigns again from %s on", entry.version, entry.at)
    return entry


@task(task_run_name="ask for what can go on", **RETRY_TRANSIENT)
def request_due_steps(use_case: UseCase, as_of: datetime) -> list[Entry]:
    """As `record_steps`, and send every step that nobody has taken; those."""
    book = open_ledger()
    for entry in record_due_steps(book, use_case, as_of):
        get_run_logger().info("version %s can go on: %s", entry.version, entry.evidence["reason"])
    waiting = [e for e in list_unanswered(book.entries(use_case.name)) if e.what == "step_asked"]
    for entry in waiting:
        request_next_step(entry)
    return waiting


@task(task_run_name="version {version}, one step further", **RETRY_TRANSIENT)
def advance_candidate(use_case: UseCase, version: int, as_of: datetime | None) -> Entry:
    """As `carry`, with the gate and the review that look at real rows."""
    actor = f"{runtime.flow_run.flow_name} {runtime.flow_run.id}"
    entry = advance.advance_candidate(open_ledger(), use_case, version, as_of, actor, _gate, _look)
    get_run_logger().info(
        "version %s: %s at %s, %s", version, entry.what, entry.at, entry.evidence["reason"]
    )
    return entry


def _gate(it: CandidateState) -> Decision:
    # imported here: a step of a rollout needs neither Feast nor the models
    from tasks.promotion.gate import judge_candidate

    return judge_candidate(it)


def _look(use_case: UseCase, entries: Sequence[Entry], at: datetime) -> StageReview | None:
    from tasks.promotion.stage_review import review_stage

    return review_stage(use_case, entries, at)


_DECIDED = ("promoted", "refused", "rolled_back")


@task(task_run_name="tell of {entry.what}", cache_policy=NO_CACHE)
def publish_step(use_case: UseCase, entry: Entry) -> None:
    """The gates as a table of the run, the champion's event, the pages of those decided."""
    back = entry.what == "rolled_back"
    said = f"back to version {entry.version}" if back else f"version {entry.version} {entry.what}"
    create_table_artifact(
        gate_rows(entry.evidence),
        key=f"{'rollback' if back else 'decision'}-{use_case.slug}",
        description=f"{said}: {entry.evidence['reason']}",
    )
    announce_champion(entry)
    if entry.what in _DECIDED:
        publish_model_cards(use_case, entry)
