"""What the errors of S3 mean, whichever library raises them, and which setting mends them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from configs.errors import BadConfig, MainspringError, Transient
from configs.s3 import is_s3, server
from configs.settings import settings

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
def told(address: str) -> Iterator[None]:
    """Let what goes wrong at an address on S3 be said in our words, with the setting that leads to
    it: BadConfig, or Transient if trying again may help. Other errors, and paths, are as ever.
    """
    try:
        yield
    except MainspringError:
        raise
    except Exception as broken:
        meant = meaning(broken, address) if is_s3(address) else None
        if meant is None:
            raise
        raise meant from broken


def meaning(broken: BaseException, address: str) -> MainspringError | None:
    """What an error of S3 means; None if it is another one."""
    said = "\n".join(str(each) for each in _chain(broken))
    for sign, kind, words in _MEANINGS:
        if re.search(sign, said):
            there, bucket = server(), address.removeprefix("s3://").partition("/")[0]
            endpoint = there.endpoint or f"s3.{there.region}.amazonaws.com"
            return kind(
                words.format(
                    place=_place(address), bucket=bucket, endpoint=endpoint, region=there.region
                )
            )
    return None


def _chain(broken: BaseException | None) -> Iterator[BaseException]:
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
