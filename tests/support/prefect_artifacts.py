"""Artifacts on the Prefect server."""

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact
from prefect.client.schemas.sorting import ArtifactSort


def list_artifacts() -> list[Artifact]:
    """The newest artifacts, at most 200."""
    with get_client(sync_client=True) as client:
        return list(client.read_artifacts(sort=ArtifactSort.CREATED_DESC, limit=200))


def read_artifact(key: str) -> str:
    """What an artifact shows."""
    asked = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    with get_client(sync_client=True) as client:
        newest = client.read_artifacts(artifact_filter=asked, sort=ArtifactSort.CREATED_DESC)[0]
    return str(newest.data)
