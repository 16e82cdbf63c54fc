"""A candidate on its way: registered as a version, recorded in the ledger, told to who decides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import isnan

from prefect import get_run_logger, runtime, task
from prefect.artifacts import create_link_artifact
from prefect.cache_policies import NO_CACHE

from configs.use_case import UseCase
from tasks.card import Card, make_card
from tasks.card_page import publish_card
from tasks.events import ask
from tasks.export import Exported
from tasks.features import table_versions
from tasks.ledger import Entry, ledger
from tasks.registry import address_of, golden_rows, open_model, register, version_of
from tasks.retries import STEADY
from tasks.training import Fitted, Parts


def candidate_entry(card: Card, version: int, origin: str, as_of: datetime, actor: str) -> Entry:
    """The ledger's entry of a registered candidate."""
    evidence = {
        "origin": origin,
        "algorithm": card.algorithm,
        "kind": card.kind,
        "digest": card.digest,
        "trained_until": card.trained_until.isoformat(),
        "rows": card.rows,
        "threshold": card.threshold,
        "holdout": {  # JSON has no NaN
            name: None if isnan(value) else value for name, value in card.holdout.items()
        },
    }
    key = f"candidate:{origin}"
    return Entry(card.use_case, "candidate_registered", key, as_of, actor, version, evidence)


@task(task_run_name="versions of the lake's tables", cache_policy=NO_CACHE)
def read_versions(use_case: UseCase) -> dict[str, int]:
    """As `features.table_versions`, seen by Prefect."""
    return table_versions(use_case)


@task(task_run_name="registered before?", **STEADY)
def registered_version(use_case: UseCase, origin: str) -> int | None:
    """The version that an earlier run for the same origin has registered."""
    return version_of(use_case.name, origin)


@task(task_run_name="measure and describe", cache_policy=NO_CACHE)
def describe(
    use_case: UseCase,
    parts: Parts,
    candidates: Sequence[Fitted],
    exported: Exported,
    versions: dict[str, int],
) -> Card:
    """As `make_card`, seen by Prefect."""
    return make_card(use_case, parts, candidates, exported, versions)


@task(task_run_name="register", **STEADY)
def register_version(
    use_case: UseCase, exported: Exported, parts: Parts, card: Card, origin: str
) -> int:
    """As `registry.register`, seen by Prefect."""
    golden = golden_rows(exported, parts)
    version = register(use_case.name, exported.onnx, card, golden, origin)
    get_run_logger().info("%s version %s: sha256 %s", use_case.name, version, card.digest)
    return version


@task(task_run_name="record version {version}", **STEADY)
def record_candidate(use_case: UseCase, version: int, origin: str, as_of: datetime) -> Entry:
    """Open the stored version, and record it once; its page and a link become artifacts."""
    card = open_model(use_case.name, version).card
    actor = f"{runtime.flow_run.flow_name} {runtime.flow_run.id}"
    entry, _ = ledger().record(candidate_entry(card, version, origin, as_of, actor))
    publish_card(use_case, version)
    link, text = address_of(use_case.name, version), f"{use_case.name} version {version} in MLflow"
    create_link_artifact(
        link, link_text=text, key=f"model-version-{use_case.slug}", description=origin
    )
    return entry


@task(task_run_name="tell of version {entry.version}", cache_policy=NO_CACHE)
def tell(entry: Entry) -> None:
    """Emit the event that asks for the decision."""
    ask(entry)
