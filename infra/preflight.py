"""Checks of the s3:// addresses in the settings, before anything starts that needs them."""

from __future__ import annotations

from configs.errors import BadConfig
from configs.settings import settings
from infra.storage.errors import storage_errors
from infra.storage.s3 import is_s3, s3_client, s3_server

MARKER = "written-once-by-mainspring"


def check_s3_addresses() -> None:
    """Access every s3:// address of the settings; raise BadConfig or Transient if one fails.

    Where Mainspring writes, it leaves a marker object. The server must refuse to create the lake's
    marker twice: that is how one of two writers of a table notices the other.
    """
    places = settings()
    for address in filter(is_s3, dict.fromkeys((places.landing, places.pinned_lake))):
        with storage_errors(address):
            bucket, prefix = _split_address(address)
            s3_client().list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
    written = dict.fromkeys((places.lake, places.reports, places.mlflow_artifacts))
    for address in filter(is_s3, written):
        with storage_errors(address):
            created = _create_marker(address)
            if created and address == places.lake and _create_marker(address):
                raise BadConfig(
                    f"MAINSPRING_LAKE={address}: {s3_server().endpoint} ignores If-None-Match, so "
                    "two writers would lose each other's rows; use a server with conditional puts"
                )


def _create_marker(address: str) -> bool:
    """Create the marker unless it exists; return whether it was created."""
    from botocore.exceptions import ClientError

    bucket, prefix = _split_address(address)
    try:
        s3_client().put_object(Bucket=bucket, Key=f"{prefix}{MARKER}", Body=b"", IfNoneMatch="*")
    except ClientError as error:
        if error.response["Error"]["Code"] == "PreconditionFailed":
            return False
        raise
    return True


def _split_address(address: str) -> tuple[str, str]:
    """Return the bucket, and the prefix with a final / unless it is empty."""
    bucket, _, path = address.removeprefix("s3://").partition("/")
    return bucket, f"{path}/" if path else ""
