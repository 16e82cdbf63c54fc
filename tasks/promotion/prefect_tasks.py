"""The promotion functions as Prefect tasks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from prefect import get_run_logger, runtime, suspend_flow_run, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.input import RunInput

from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.ledger.descriptions import describe_event, read_reason
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.state import LedgerState, read_ledger_state
from tasks.lifecycle import champion_alias
from tasks.lifecycle.resend_requests import answering_flow, find_overdue
from tasks.model_cards.prefect_tasks import (
    publish_decision,
    publish_model_card,
    publish_model_cards,
)
from tasks.models.mlflow.links import build_version_url
from tasks.monitoring.requests import send_requests
from tasks.orchestration.events import announce_champion
from tasks.orchestration.flow_runs import build_run_page, find_suspended_run, list_flow_runs
from tasks.orchestration.retries import RETRY_TRANSIENT
from tasks.promotion import approval, bake, record_step, rollback
from tasks.promotion.approval import ApprovalAnswer, resume_approval_run
from tasks.promotion.bake import BakeEvaluation, record_rollback_request
from tasks.promotion.candidate_state import CandidateState
from tasks.promotion.due_steps import record_due_steps
from tasks.promotion.gate import Decision
from tasks.reporting.ledger_tables import tabulate_gates
from tasks.reporting.markdown import escape_markdown, render_markdown
from tasks.storage import files

if TYPE_CHECKING:
    from tasks.promotion.stage_review import StageReview

APPROVAL_TIMEOUT = timedelta(days=7)  # of the form; `mainspring approve` works after it too
_DECIDED = ("promoted", "refused", "rolled_back")


@task(task_run_name="sync champion alias", **RETRY_TRANSIENT)
def sync_champion_alias(use_case: UseCase) -> int | None:
    """Set MLflow's alias to the ledger's champion."""
    version = champion_alias.sync_champion_alias(open_ledger(), use_case.name)
    get_run_logger().info("MLflow alias `champion` is version %s", version)
    return version


@task(task_run_name="resend requests", **RETRY_TRANSIENT)
def resend_requests(use_case: UseCase, now: datetime) -> list[Entry]:
    """Resend the overdue requests, and return them. `now` is the server's time, not the flows'.

    An approval is sent to the suspended run that waits for it, if there is one.
    """
    unanswered = read_ledger_state(open_ledger(), use_case.name).unanswered
    overdue = []
    for flow in ("retrain", "promote", "rollback"):
        requests = [entry for entry in unanswered if answering_flow(entry) == flow]
        if requests:
            overdue += find_overdue(requests, list_flow_runs(flow, use_case.name), now)
    for entry in overdue:
        get_run_logger().warning("no run works on %s of %s: resent", entry.key, entry.at)
    send_requests(entry for entry in overdue if not _resume_approval(entry))
    return overdue


def _resume_approval(entry: Entry) -> bool:
    """Send an approval to the suspended run that waits for it; False if there is none."""
    return entry.what in ("approved", "rejected") and resume_approval_run(entry)


class ApprovalForm(ApprovalAnswer, RunInput):
    """The approval as a form of Prefect's UI."""


def ask_person(entry: Entry) -> ApprovalForm | None:
    """Suspend this flow run until the form is filled in; return the form when it runs again.

    None if Prefect cannot run it again, since it has no deployment, or if another run shows the
    form already. The command `mainspring approve` works in both cases.
    """
    if runtime.deployment.id is None or find_suspended_run("promote", entry.model, entry.version):
        get_run_logger().warning(
            'version %s waits for approval: mainspring approve %s %s --reason "…"',
            *(entry.version, entry.model, entry.version),
        )
        return None
    form = ApprovalForm.with_initial_data(description=read_reason(entry))
    seconds = int(APPROVAL_TIMEOUT.total_seconds())
    key = f"approval-{entry.version}"  # takes no underscore
    return suspend_flow_run(wait_for_input=form, timeout=seconds, key=key)


@task(task_run_name="record approval of version {version}", **RETRY_TRANSIENT)
def record_approval(use_case: UseCase, version: int, answer: ApprovalForm, now: datetime) -> Entry:
    """Record the form in the ledger; return the approval or rejection that counts."""
    entry, new = approval.record_approval(open_ledger(), use_case.name, version, answer, now)
    note = "" if new else ", before this form was filled in"
    get_run_logger().info("version %s was %s by %s%s", version, entry.what, entry.actor, note)
    return entry


@task(task_run_name="evaluate bake", **RETRY_TRANSIENT)
def evaluate_bake(use_case: UseCase, as_of: datetime) -> BakeEvaluation | None:
    """Compare the champion with the one before; None outside a bake window."""
    ledger = read_ledger_state(open_ledger(), use_case.name)
    baked = bake.evaluate_bake(use_case, ledger, as_of)
    if baked is not None:
        pair = (baked.window.version, baked.window.previous)
        get_run_logger().info(
            "version %s compared with version %s: %s", *pair, baked.decision.reason
        )
    return baked


@task(task_run_name="request rollback", **RETRY_TRANSIENT)
def request_rollback(
    use_case: UseCase, baked: BakeEvaluation | None, as_of: datetime
) -> Entry | None:
    """Record the request for a rollback that is due, and send all that are unanswered."""
    request, unanswered = record_rollback_request(open_ledger(), use_case.name, baked, as_of)
    for entry in unanswered:
        get_run_logger().warning("%s: %s", entry.key, read_reason(entry))
    send_requests(unanswered)
    return request


@task(task_run_name="roll back the promotion", **RETRY_TRANSIENT)
def roll_back_as_asked(use_case: UseCase, promotion: str, as_of: datetime) -> Entry | None:
    """Roll a promotion back; None if it is not the current one."""
    actor = f"rollback {runtime.flow_run.id}"
    entry = rollback.roll_back_as_asked(open_ledger(), use_case.name, promotion, as_of, actor)
    if entry is None:
        get_run_logger().warning("%s is not the current promotion: nothing to roll back", promotion)
    else:
        get_run_logger().warning("version %s is champion again from %s on", entry.version, entry.at)
    return entry


@task(task_run_name="request due steps", **RETRY_TRANSIENT)
def request_due_steps(use_case: UseCase, as_of: datetime) -> list[Entry]:
    """Record the steps that are due, and send all that are unanswered; return those."""
    book = open_ledger()
    for entry in record_due_steps(book, use_case, as_of):
        get_run_logger().info("step of version %s is due: %s", entry.version, read_reason(entry))
    unanswered = read_ledger_state(book, use_case.name).list_requests("step_asked")
    send_requests(unanswered)
    return unanswered


@task(task_run_name="advance version {version}", **RETRY_TRANSIENT)
def advance_candidate(use_case: UseCase, version: int, as_of: datetime | None) -> Entry:
    """Take a candidate one step further, with the gate and the review of real rows."""
    actor = f"{runtime.flow_run.flow_name} {runtime.flow_run.id}"
    entry = record_step.advance_candidate(
        open_ledger(), use_case, version, as_of, actor, _gate, _review
    )
    get_run_logger().info(
        "version %s: %s at %s, %s", version, entry.what, entry.at, read_reason(entry)
    )
    return entry


@task(task_run_name="refit version {request.version}", **RETRY_TRANSIENT)
def refit_version(use_case: UseCase, request: Entry) -> int:
    """Refit the version of a request; return the version that goes on: its refit, or itself."""
    # imported here: without a refit, a step needs neither Feast nor the models
    from tasks.promotion.refitting import refit

    actor = f"{runtime.flow_run.flow_name} {runtime.flow_run.id}"
    entry = refit.record_refit(open_ledger(), use_case, request, actor, refit.refit_judged_version)
    assert entry.version is not None
    if entry.what == "candidate_registered":
        get_run_logger().info(
            "version %s is the refit of version %s", entry.version, request.version
        )
        publish_model_card(use_case, entry.version)
    else:
        get_run_logger().warning("%s", read_reason(entry))
    return entry.version


def _gate(candidate: CandidateState) -> Decision:
    # imported here: a step of a rollout needs neither Feast nor the models
    from tasks.promotion.gate import judge_candidate

    return judge_candidate(candidate)


def _review(use_case: UseCase, ledger: LedgerState, as_of: datetime) -> StageReview | None:
    from tasks.promotion.stage_review import review_stage

    return review_stage(use_case, ledger, as_of)


@task(task_run_name="publish the step", cache_policy=NO_CACHE)
def publish_step(use_case: UseCase, entry: Entry) -> None:
    """Publish a step: its checks as an artifact, the champion's event, and the model cards."""
    back = entry.what == "rolled_back"
    title = describe_event(entry)
    checks = tabulate_gates(entry)
    reason = escape_markdown(f"{title}: {read_reason(entry)}")
    parts = [reason, _render_links(use_case, entry), render_markdown(checks) if checks else ""]
    create_markdown_artifact(
        "\n\n".join(parts),
        key=f"{'rollback' if back else 'decision'}-{use_case.slug}",
        description=f"{entry.at:%Y-%m-%d}: {title}",
    )
    announce_champion(entry)
    if entry.what in _DECIDED:
        publish_model_cards(use_case, entry)
    publish_decision(use_case, entry, build_run_page())


def _render_links(use_case: UseCase, entry: Entry) -> str:
    """Return links to the version in MLflow and to its card."""
    if entry.version is None:
        return ""
    card = f"{settings().reports}/{use_case.name}/models/v{entry.version}.html"
    pages = {
        f"version {entry.version} in MLflow": build_version_url(use_case.name, entry.version),
        "model card": files.link_to(card),
    }
    return " · ".join(f"[{name}]({page})" for name, page in pages.items())
