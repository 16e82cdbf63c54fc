"""Whether what the settings put on S3 can be used, before anything is started that needs it."""

from __future__ import annotations

from configs.errors import BadConfig
from configs.settings import settings
from infra.storage.errors import storage_errors
from infra.storage.s3 import is_s3, s3_client, s3_server

MARK = "written-once-by-mainspring"


def check_places() -> None:
    """Try every s3:// address of the settings; BadConfig or Transient says what is wrong with one.

    A mark is left where Mainspring writes. Making the lake's anew must be refused: by that, one of
    two writers of a table notices the other.
    """
    places = settings()
    for address in filter(is_s3, dict.fromkeys((places.landing, places.pinned_lake))):
        with storage_errors(address):
            bucket, prefix = _split(address)
            s3_client().list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
    written = dict.fromkeys((places.lake, places.reports, places.mlflow_artifacts))
    for address in filter(is_s3, written):
        with storage_errors(address):
            new = _mark(address)
            if new and address == places.lake and _mark(address):
                raise BadConfig(
                    f"MAINSPRING_LAKE={address}: {s3_server().endpoint} overwrites what may only "
                    "be made anew (If-None-Match), so two writers would lose each other's rows; "
                    "take a server that keeps conditional puts"
                )


def _mark(address: str) -> bool:
    """Make the mark unless it is there; whether it was made."""
    from botocore.exceptions import ClientError

    bucket, prefix = _split(address)
    try:
        s3_client().put_object(Bucket=bucket, Key=f"{prefix}{MARK}", Body=b"", IfNoneMatch="*")
    except ClientError as refused:
        if refused.response["Error"]["Code"] == "PreconditionFailed":
            return False
        raise
    return True


def _split(address: str) -> tuple[str, str]:
    """Bucket, and prefix that ends in / unless it is empty."""
    bucket, _, path = address.removeprefix("s3://").partition("/")
    return bucket, f"{path}/" if path else ""
