"""A candidate's decision: the fresh rows, the evidence, the ledger's entry, and MLflow's alias."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from prefect import get_run_logger, runtime, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from configs.errors import NoRows, Terminal
from configs.use_case import UseCase
from tasks.events import emit_promoted
from tasks.features import training_set
from tasks.ledger import Entry, champion, ledger
from tasks.promotion import Decision, decide, record_decision
from tasks.registry import Model, champion_alias, open_model, set_champion_alias
from tasks.retries import is_transient


def decision_on(entries: Sequence[Entry], version: int) -> Entry | None:
    """The decision on a version; None while there is none."""
    return next((e for e in entries if e.key == f"decision:{version}"), None)


def deciding_moment(entries: Sequence[Entry], version: int, as_of: datetime | None) -> datetime:
    """The moment of the decision: `as_of`, else when the candidate was registered.

    It is never before the last promotion: a decision is about the champion that is, not about one
    of before. Terminal if the ledger has no such candidate.
    """
    for entry in entries:
        if entry.what == "candidate_registered" and entry.version == version:
            reigning = champion(entries)
            moment = as_of or entry.at
            return moment if reigning is None else max(moment, reigning.at)
    raise Terminal(f"the ledger has no candidate of version {version}: it has nothing to decide on")


def judge(use_case: UseCase, version: int, reigning: Entry | None, as_of: datetime) -> Decision:
    """Decide on rows later than all that either model has seen, whose labels are known by `as_of`.

    Where there is none, the champion stays.
    """
    challenger = open_model(use_case.name, version)
    current = None
    if reigning is not None and reigning.version is not None:
        current = open_model(use_case.name, reigning.version)
    try:
        rows = fresh_rows(use_case, challenger, current, as_of)
    except NoRows as none:
        return Decision(False, f"no fresh labelled rows: {none}", {})
    return decide(use_case, challenger, current, rows)


def fresh_rows(
    use_case: UseCase, challenger: Model, current: Model | None, as_of: datetime
) -> pl.DataFrame:
    """Labelled rows predicted after both models' training and before `as_of`; NoRows if none is."""
    seen = [model.card.trained_until for model in (challenger, current) if model is not None]
    if max(seen) >= as_of:
        raise NoRows(f"one of the models has seen everything before {as_of}")
    return training_set(use_case, max(seen), as_of, as_of)


def evidence_table(entry: Entry) -> list[dict[str, object]]:
    """The compared metrics of a decision, one row each, and the reason in the last."""
    compared = [e for e in entry.evidence.values() if isinstance(e, dict) and "improvement" in e]
    return [*compared, {"metric": f"{entry.what}: {entry.evidence['reason']}"}]


@task(
    task_run_name="decide on version {version}",
    cache_policy=NO_CACHE,
    retries=5,
    retry_delay_seconds=1,
    retry_condition_fn=is_transient,
)
def decide_candidate(use_case: UseCase, version: int, as_of: datetime | None) -> Entry:
    """The decision on a version: the one that the ledger has, or made now and recorded.

    If the ledger moves on in the meantime (another candidate was promoted), the task runs again
    and decides against the new champion.
    """
    entries = ledger().entries(use_case.name)
    known = decision_on(entries, version)
    if known is not None:
        get_run_logger().info("version %s was %s at %s already", version, known.what, known.at)
        return known
    at = deciding_moment(entries, version, as_of)
    decision = judge(use_case, version, champion(entries), at)
    actor = f"{runtime.flow_run.flow_name} {runtime.flow_run.id}"
    entry = record_decision(ledger(), use_case, version, decision, at, len(entries), actor)
    get_run_logger().info("version %s is %s: %s", version, entry.what, decision.reason)
    return entry


@task(task_run_name="alias follows the ledger", cache_policy=NO_CACHE)
def follow_ledger(use_case: UseCase) -> int | None:
    """Make MLflow's alias the ledger's champion; its version.

    Both are looked at again after writing: of two that follow at once, the slower one may have
    written an older champion.
    """
    while True:
        reigning = champion(ledger().entries(use_case.name))
        if reigning is None or reigning.version is None:
            return None
        if champion_alias(use_case.name) == reigning.version:
            return reigning.version
        set_champion_alias(use_case.name, reigning.version)
        get_run_logger().info("alias champion is version %s now", reigning.version)


@task(task_run_name="tell of the decision", cache_policy=NO_CACHE)
def tell_decision(use_case: UseCase, entry: Entry) -> None:
    """The evidence as a table of the run, and the event of a promotion."""
    create_table_artifact(
        evidence_table(entry),
        key=f"decision-{use_case.slug}",
        description=f"version {entry.version} {entry.what}: {entry.evidence['reason']}",
    )
    if entry.what == "promoted":
        emit_promoted(entry)
