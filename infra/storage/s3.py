"""What each library is told of S3: where it is, how long to wait, and that a commit is conditional.

The standard AWS variables say where it is and who we are: AWS_REGION, AWS_ENDPOINT_URL (another
server than Amazon's), AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. Keys are read
by the libraries themselves, and are neither a setting of ours nor handed on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from configs.errors import BadConfig

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem


CONNECT, ANSWER, RETRIES, PATIENCE = 5, 60, 4, 20
"""Seconds to connect and for one answer; tries after the first, and seconds for all of them."""


@dataclass(frozen=True)
class S3Server:
    """A server, empty for Amazon's, and the region that requests are signed for."""

    endpoint: str
    region: str

    @property
    def plain(self) -> bool:
        """Whether it is asked without encryption."""
        return self.endpoint.startswith("http://")


def is_s3(address: str) -> bool:
    """Whether an address lies on S3."""
    return address.startswith("s3://")


def s3_server() -> S3Server:
    """The server of the AWS variables; BadConfig names the one that does not hold.

    Without encryption only a server on this machine is asked, or any with AWS_ALLOW_HTTP=true.
    """
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "")
    if not region:
        raise BadConfig(
            "AWS_REGION is not set, and s3:// addresses need it: the region of the bucket; "
            "us-east-1 where the server knows none"
        )
    found = S3Server(os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/"), region)
    url = urlsplit(found.endpoint)
    if found.endpoint and (url.scheme not in ("http", "https") or not url.hostname):
        raise BadConfig(f"AWS_ENDPOINT_URL={found.endpoint}: write it like https://s3.example.com")
    allowed = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("true", "1")
    if found.plain and not allowed and not _here(str(url.hostname)):
        raise BadConfig(
            f"AWS_ENDPOINT_URL={found.endpoint} sends data and requests unencrypted: take https, "
            "or set AWS_ALLOW_HTTP=true on a network that you trust"
        )
    return found


def _here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def delta_options(address: str) -> dict[str, str] | None:
    """deltalake's storage options. A commit is a conditional put: of two writers one must look
    again. None for a path.
    """
    if not is_s3(address):
        return None
    return _common() | {
        "aws_conditional_put": "etag",
        "max_retries": str(RETRIES),
        "retry_timeout": f"{PATIENCE}s",
    }


def polars_options(address: str) -> dict[str, Any] | None:
    """polars' storage options; None for a path."""
    if not is_s3(address):
        return None
    return _common() | {"max_retries": RETRIES, "retry_timeout_ms": 1000 * PATIENCE}


def _common() -> dict[str, Any]:
    there = s3_server()
    endpoint = {"aws_endpoint_url": there.endpoint} if there.endpoint else {}
    return endpoint | {
        "aws_region": there.region,
        "aws_allow_http": str(there.plain).lower(),
        "connect_timeout": f"{CONNECT}s",
        "timeout": f"{ANSWER}s",
    }


@cache
def open_file_system() -> S3FileSystem:
    """pyarrow's file system of the server, kept for this process."""
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    there = s3_server()
    return S3FileSystem(
        endpoint_override=there.endpoint or None,
        region=there.region,
        connect_timeout=CONNECT,
        request_timeout=ANSWER,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=RETRIES),
    )


def boto_variables(address: str) -> dict[str, str]:
    """What boto3 wants under another name, for MLflow, which asks it; nothing for a path."""
    return {"AWS_DEFAULT_REGION": s3_server().region} if is_s3(address) else {}


def s3_client() -> Any:  # noqa: ANN401
    """boto3's client of the server."""
    from boto3.session import Session
    from botocore.config import Config

    there = s3_server()
    return Session(region_name=there.region).client(
        "s3",
        endpoint_url=there.endpoint or None,
        config=Config(
            connect_timeout=CONNECT,
            read_timeout=ANSWER,
            retries={"total_max_attempts": RETRIES, "mode": "standard"},
        ),
    )
