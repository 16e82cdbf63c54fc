"""The stored files of a registered version."""

from pathlib import Path

from tasks.models.mlflow.client import connect_mlflow


def version_files_of(name: str, version: int) -> Path:
    """Return the folder of a version in MLflow's local files."""
    source = connect_mlflow().get_model_version_download_uri(name, str(version))
    return Path(source.removeprefix("file://"))
