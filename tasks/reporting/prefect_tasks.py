"""Model cards as artifacts of a Prefect run."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact

from configs.schema.use_case import UseCase
from configs.settings import settings
from infra.storage.errors import storage_errors
from tasks.ledger.descriptions import versions_concerned
from tasks.ledger.log import Entry, open_ledger
from tasks.models.mlflow_client import connect_mlflow
from tasks.models.registry import open_model
from tasks.reporting.model_card import CardPage, write_card_page
from tasks.storage import files


def publish_model_cards(use_case: UseCase, entry: Entry) -> None:
    """As `publish_card`, for the versions that an entry is about; its own comes last, on top."""
    for version in reversed(versions_concerned(entry)):
        publish_model_card(use_case, version)


def publish_model_card(use_case: UseCase, version: int) -> CardPage:
    """Make a version's page anew, beside the run in Prefect and with the version's run in MLflow.

    To be called in a flow or a task; called again it replaces what it wrote.
    """
    card = open_model(use_case.name, version).card
    found = write_card_page(card, version, open_ledger().entries(use_case.name))
    key = f"model-card-{use_case.slug}"
    create_markdown_artifact(found.text, key=key, description=f"version {version}")
    client = connect_mlflow()
    run_id = client.get_model_version(use_case.name, str(version)).run_id
    page = files.read_file(found.html).decode()
    with storage_errors(settings().mlflow_artifacts):
        client.log_text(run_id, page, f"card/v{version}.html")
    return found
