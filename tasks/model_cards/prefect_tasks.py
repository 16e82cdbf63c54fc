"""Model cards as artifacts of Prefect and MLflow runs."""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact

from configs.schema.use_case import UseCase
from configs.settings import settings
from infra.storage.errors import storage_errors
from tasks.features.feedback import read_feedback
from tasks.features.raw_tables import LATEST
from tasks.ledger.descriptions import versions_concerned
from tasks.ledger.log import Entry, open_ledger
from tasks.model_cards import registration
from tasks.model_cards.page import CardPage, write_card_page
from tasks.models.artifact import ModelArtifact
from tasks.models.mlflow.client import connect_mlflow
from tasks.models.mlflow.links import build_version_url
from tasks.models.mlflow.runs import log_picture, tag_step
from tasks.models.registry import open_model
from tasks.orchestration.flow_runs import build_run_page
from tasks.orchestration.retries import RETRY_TRANSIENT
from tasks.reporting.ledger_tables import tabulate_gates
from tasks.reporting.markdown import render_markdown
from tasks.storage import files


@task(task_run_name="register version", **RETRY_TRANSIENT)
def register_candidate(artifact: ModelArtifact, origin: str) -> int:
    """Run `register_candidate` as a Prefect task and log the version."""
    card, version = artifact.card, registration.register_candidate(artifact, origin)
    get_run_logger().info("%s version %s: sha256 %s", card.use_case, version, card.digest)
    return version


@task(task_run_name="publish candidate", **RETRY_TRANSIENT)
def publish_candidate(use_case: UseCase, entry: Entry) -> None:
    """Publish the card of a recorded candidate, its tags in MLflow, and a link to it."""
    version = entry.version
    assert version is not None  # a candidate has one
    publish_model_card(use_case, version)
    publish_decision(use_case, entry, build_run_page())
    create_link_artifact(
        build_version_url(use_case.name, version),
        link_text=f"{use_case.name} version {version} in MLflow",
        key=f"model-version-{use_case.slug}",
        description=entry.key,
    )


def publish_model_cards(use_case: UseCase, entry: Entry) -> None:
    """Publish the cards of the versions that an entry is about, the entry's own version last."""
    for version in reversed(versions_concerned(entry)):
        publish_model_card(use_case, version)


def publish_model_card(use_case: UseCase, version: int) -> CardPage:
    """Write a version's card page, as an artifact of this Prefect run and of the MLflow run.

    Call it in a flow or a task. A second call replaces what the first one wrote.
    """
    card = open_model(use_case.name, version).card
    feedback = read_feedback(use_case, LATEST) if use_case.serving else None
    card_page = write_card_page(card, version, open_ledger().entries(use_case.name), feedback)
    key = f"model-card-{use_case.slug}"
    create_markdown_artifact(card_page.text, key=key, description=f"version {version}")
    client = connect_mlflow()
    run_id = client.get_model_version(use_case.name, str(version)).run_id
    html = files.read_file(card_page.html).decode()
    with storage_errors(settings().mlflow_artifacts):
        client.log_text(run_id, html, f"card/v{version}.html")
        for name, address in card_page.pictures.items():
            log_picture(client, run_id, f"{name}.png", files.read_file(address))
    return card_page


def publish_decision(use_case: UseCase, entry: Entry, run_page: str) -> None:
    """Write what was decided on a version into MLflow: tags, and the gate table as a file.

    Args:
        use_case: the use case.
        entry: the step of the version.
        run_page: address of the Prefect run that took it.
    """
    if entry.version is None:
        return
    tag_step(entry, run_page)
    table = tabulate_gates(entry)
    if table is None:
        return
    client = connect_mlflow()
    run_id = client.get_model_version(use_case.name, str(entry.version)).run_id
    with storage_errors(settings().mlflow_artifacts):
        client.log_text(run_id, f"# {table.title}\n\n{render_markdown(table)}\n", "gates.md")
        client.log_dict(run_id, {"checks": table.records()}, "gates.json")
