"""Storage errors of all libraries, translated into Mainspring's own.

Three kinds are translated: errors of S3, a damaged SQLite file, and a disk that is full or
read-only. Libraries report them in many ways, some as text alone. A half-written file is never read
(commits are atomic, and a model version is registered last), so running again is safe.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EDQUOT, ENOSPC, EPERM, EROFS
from pathlib import Path

from configs.errors import BadConfig, CannotWrite, Damaged, MainspringError, Transient
from configs.settings import settings
from infra.storage.s3 import is_s3, s3_server

DISK_FULL = "is full: free some space"
DISK_READ_ONLY = "is read-only or access is denied: allow access"
_DISK_ERRNOS = {
    ENOSPC: DISK_FULL,
    EDQUOT: DISK_FULL,
    EROFS: DISK_READ_ONLY,
    EACCES: DISK_READ_ONLY,
    EPERM: DISK_READ_ONLY,
}
_DISK_MESSAGES = {  # SQLite's, and those of libraries that pass on only the text of an error
    r"disk is full|[Nn]o space left on device|[Dd]isk quota exceeded": DISK_FULL,
    r"readonly database|unable to open database file": DISK_READ_ONLY,
    r"Read-only file system|Permission denied": DISK_READ_ONLY,
}

_ADDRESS_SETTINGS = ("lake", "pinned_lake", "landing", "reports", "mlflow_artifacts")
_DAMAGED_DATABASE = r"malformed|not a database|database disk image|database corruption"
_WAYS_OUT = {  # by setting: what replaces a damaged database
    "ledger_url": "restore it from a backup: it records every promotion",
    "mlflow_uri": "restore it from a backup: it lists the registered versions",
    "feast_registry": "remove it; the next run registers the features again",
    "feast_online": "remove it, then run materialize, which publishes the features again",
}
_S3_MESSAGES: tuple[tuple[str, type[MainspringError], str], ...] = (
    (
        r"NoSuchBucket|NO_SUCH_BUCKET",
        BadConfig,
        "{place}: bucket {bucket} not found at {endpoint}; create it, or change the setting",
    ),
    (
        r"169\.254\.\d|NoCredentials|Unable to locate credentials",
        BadConfig,
        "{place}: no AWS credentials found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    (
        r"SignatureDoesNotMatch|SIGNATURE_DOES_NOT_MATCH|InvalidAccessKeyId|INVALID_ACCESS_KEY_ID"
        r"|AccessDenied|ACCESS_DENIED|\b403 Forbidden|necessary privileges"
        r"|ExpiredToken|InvalidToken",
        BadConfig,
        "{place}: {endpoint} denies access; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
        "and their permissions on {bucket}",
    ),
    (
        r"PermanentRedirect|PERMANENT_REDIRECT|AuthorizationHeaderMalformed|\b301 Moved",
        BadConfig,
        "{place}: {bucket} is not in AWS_REGION={region}; set AWS_REGION to the bucket's region",
    ),
    (
        r"NETWORK_CONNECTION|client error \(Connect\)|error sending request|Could not connect"
        r"|Connect ?[Tt]imeout|Read timeout|timed out|SlowDown|SLOW_DOWN|InternalError"
        r"|\b50[0234] [A-Z]",
        Transient,
        "{place}: {endpoint} does not respond; check AWS_ENDPOINT_URL, and that the server runs",
    ),
)


@contextmanager
def storage_errors(address: str | Path, *, disk: str = "") -> Iterator[None]:
    """Translate the errors of reads and writes at an address; all other errors pass unchanged.

    At an s3:// address: BadConfig names the setting to change, Transient means that a retry may
    succeed. On a full or read-only disk: CannotWrite names `disk`, by default the address. Of a
    damaged SQLite file: Damaged names what replaces it.
    """
    try:
        yield
    except MainspringError:
        raise
    except Exception as error:
        explained = (
            explain_s3_error(error, str(address))
            or explain_damaged_database(error, str(address))
            or explain_disk_error(error, disk or str(address))
        )
        if explained is None:
            raise
        raise explained from error


def explain_s3_error(error: BaseException, address: str) -> MainspringError | None:
    """Return the meaning of an error of S3; None for another error, or an address not on S3."""
    if not is_s3(address):
        return None
    messages = "\n".join(str(each) for each in _with_causes(error))
    for pattern, kind, template in _S3_MESSAGES:
        if re.search(pattern, messages):
            server, bucket = s3_server(), address.removeprefix("s3://").partition("/")[0]
            endpoint = server.endpoint or f"s3.{server.region}.amazonaws.com"
            place = _with_setting(address)
            return kind(
                template.format(place=place, bucket=bucket, endpoint=endpoint, region=server.region)
            )
    return None


def explain_damaged_database(error: BaseException, address: str) -> Damaged | None:
    """Return the meaning of an error of a damaged SQLite file; None for another error."""
    messages = [str(e) for e in _with_causes(error) if isinstance(e, sqlite3.DatabaseError)]
    message = next((m for m in messages if re.search(_DAMAGED_DATABASE, m)), None)
    if message is None:
        return None
    return Damaged(f"{address} is damaged ({message}); {find_way_out(address)}")


def find_way_out(address: str) -> str:
    """Return what replaces a damaged database at an address."""
    ways = (way for name, way in _WAYS_OUT.items() if address in str(getattr(settings(), name)))
    return next(ways, "restore it from a backup")


def explain_disk_error(error: BaseException, place: str) -> CannotWrite | None:
    """Return the meaning of an error of a full or read-only disk; None for another error."""
    reasons = (_disk_reason(each) for each in _with_causes(error))
    reason = next(filter(None, reasons), None)
    if reason is None:
        return None
    return CannotWrite(f"{place} {reason}, then run again. Data committed before is complete")


def is_panic(error: BaseException) -> bool:
    """Return whether a library in Rust panicked; its error is no Exception."""
    return type(error).__name__ == "PanicException"


def _disk_reason(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno in _DISK_ERRNOS:
        return _DISK_ERRNOS[error.errno]
    reasons = (r for pattern, r in _DISK_MESSAGES.items() if re.search(pattern, str(error)))
    return next(reasons, None)


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and those that led to it, each once."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def _with_setting(address: str) -> str:
    """Return an address with the setting that leads to it, if one does."""
    for name in _ADDRESS_SETTINGS:
        value = str(getattr(settings(), name))
        if value and address.startswith(value):
            return f"MAINSPRING_{name.upper()}={value}"
    return address
