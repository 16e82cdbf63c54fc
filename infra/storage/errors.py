"""A disk that takes no more: what libraries say of it in many ways, told in one.

Nothing half-written is ever used (commits are atomic, versions are the last thing written), so
what is left to do is to say which folder it is, and to run again when there is room.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EDQUOT, ENOSPC, EPERM, EROFS
from pathlib import Path

from configs.errors import BadConfig, CannotWrite, MainspringError, Transient
from configs.settings import settings
from infra.storage.s3 import is_s3, s3_server

DISK_FULL, DISK_READ_ONLY = "is full: make room", "cannot be written: let it be written again"
_BY_NUMBER = {
    ENOSPC: DISK_FULL,
    EDQUOT: DISK_FULL,
    EROFS: DISK_READ_ONLY,
    EACCES: DISK_READ_ONLY,
    EPERM: DISK_READ_ONLY,
}

_BY_WORDS = {  # SQLite's, and of those that pass on only the text of an error
    r"disk is full|[Nn]o space left on device|[Dd]isk quota exceeded": DISK_FULL,
    r"readonly database|unable to open database file": DISK_READ_ONLY,
    r"Read-only file system|Permission denied": DISK_READ_ONLY,
}


@contextmanager
def disk_errors(place: str | Path) -> Iterator[None]:
    """Wrap what writes below a place: CannotWrite names it where it is full or read-only.

    Every other error passes as it is.
    """
    try:
        yield
    except MainspringError:
        raise
    except Exception as failed:
        reason = find_refusal(failed)
        if reason is None:
            raise
        raise CannotWrite(
            f"{place} {reason}, and run again. What was committed before is whole"
        ) from failed


def find_refusal(failed: BaseException) -> str | None:
    """Why a disk took nothing more, if that is what an error, or one behind it, says."""
    seen: list[BaseException] = []
    error: BaseException | None = failed
    while error is not None and error not in seen:
        seen.append(error)
        if (reason := _says(error)) is not None:
            return reason
        error = error.__cause__ or error.__context__
    return None


def _says(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno in _BY_NUMBER:
        return _BY_NUMBER[error.errno]
    found = (reason for words, reason in _BY_WORDS.items() if re.search(words, str(error)))
    return next(found, None)


_PLACES = ("lake", "pinned_lake", "landing", "reports", "mlflow_artifacts")
_MEANINGS: tuple[tuple[str, type[MainspringError], str], ...] = (
    (
        r"NoSuchBucket|NO_SUCH_BUCKET",
        BadConfig,
        "{place}: there is no bucket {bucket} at {endpoint}; make it, or change the setting",
    ),
    (
        r"169\.254\.\d|NoCredentials|Unable to locate credentials",
        BadConfig,
        "{place}: nobody says who we are; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    (
        r"SignatureDoesNotMatch|SIGNATURE_DOES_NOT_MATCH|InvalidAccessKeyId|INVALID_ACCESS_KEY_ID"
        r"|AccessDenied|ACCESS_DENIED|\b403 Forbidden|necessary privileges"
        r"|ExpiredToken|InvalidToken",
        BadConfig,
        "{place}: {endpoint} refuses the key; look at AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, and at what they may do in {bucket}",
    ),
    (
        r"PermanentRedirect|PERMANENT_REDIRECT|AuthorizationHeaderMalformed|\b301 Moved",
        BadConfig,
        "{place}: {bucket} is not in AWS_REGION={region}; set the bucket's own region",
    ),
    (
        r"NETWORK_CONNECTION|client error \(Connect\)|error sending request|Could not connect"
        r"|Connect ?[Tt]imeout|Read timeout|timed out|SlowDown|SLOW_DOWN|InternalError"
        r"|\b50[0234] [A-Z]",
        Transient,
        "{place}: {endpoint} does not answer; is AWS_ENDPOINT_URL right, and the server up?",
    ),
)


@contextmanager
def s3_errors(address: str) -> Iterator[None]:
    """Let what goes wrong at an address on S3 be said in our words, with the setting that leads to
    it: BadConfig, or Transient if trying again may help. Other errors, and paths, are as ever.
    """
    try:
        yield
    except MainspringError:
        raise
    except Exception as broken:
        meant = explain_s3_error(broken, address) if is_s3(address) else None
        if meant is None:
            raise
        raise meant from broken


def explain_s3_error(broken: BaseException, address: str) -> MainspringError | None:
    """What an error of S3 means; None if it is another one."""
    said = "\n".join(str(each) for each in _causes(broken))
    for sign, kind, words in _MEANINGS:
        if re.search(sign, said):
            there, bucket = s3_server(), address.removeprefix("s3://").partition("/")[0]
            endpoint = there.endpoint or f"s3.{there.region}.amazonaws.com"
            return kind(
                words.format(
                    place=_place(address), bucket=bucket, endpoint=endpoint, region=there.region
                )
            )
    return None


def _causes(broken: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that led to it."""
    while broken is not None:
        yield broken
        broken = broken.__cause__ or broken.__context__


def _place(address: str) -> str:
    """An address as the setting that leads there, if one does."""
    for name in _PLACES:
        value = str(getattr(settings(), name))
        if value and address.startswith(value):
            return f"MAINSPRING_{name.upper()}={value}"
    return address
