"""Addresses of models and versions in MLflow's UI, whose first page is that of another product."""

from __future__ import annotations

from configs.settings import settings


def build_model_url(use_case: str) -> str:
    """Return the address of a registered model in the MLflow UI."""
    return f"{settings().mlflow_url}/#/models/{use_case}"


def build_version_url(use_case: str, version: int) -> str:
    """Return the address of a version in the MLflow UI."""
    return f"{build_model_url(use_case)}/versions/{version}"


def build_run_url(experiment: str, run_id: str) -> str:
    """Return the address of a training run in the MLflow UI.

    Args:
        experiment: The id of its experiment.
        run_id: The id of the run.
    """
    return f"{settings().mlflow_url}/#/experiments/{experiment}/runs/{run_id}"
