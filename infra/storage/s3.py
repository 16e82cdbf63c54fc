"""S3 options of each library: server, timeouts, retries and conditional commits.

The standard AWS variables configure S3: AWS_REGION, AWS_ENDPOINT_URL (for other servers than
Amazon's), AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. The libraries read the
keys themselves; Mainspring has no settings for them and does not pass them on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from configs.errors import BadConfig
from configs.urls import shown

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem


CONNECT_SECONDS, RESPONSE_SECONDS = 5, 60
RETRIES, RETRY_SECONDS = 4, 20
"""Tries after the first one, and the time limit of all of them together."""


@dataclass(frozen=True)
class S3Server:
    """An S3 server (`endpoint` is empty for Amazon's) and the region in request signatures."""

    endpoint: str
    region: str

    @property
    def plain(self) -> bool:
        """Return whether requests to the server are unencrypted."""
        return self.endpoint.startswith("http://")


def is_s3(address: str) -> bool:
    """Return whether an address is on S3."""
    return address.startswith("s3://")


def s3_server() -> S3Server:
    """Return the server of the AWS variables; BadConfig names an invalid variable.

    An unencrypted server must be on this machine, unless AWS_ALLOW_HTTP=true.
    """
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "")
    if not region:
        raise BadConfig(
            "AWS_REGION is not set; set it to the bucket's region for s3:// addresses, or to "
            "us-east-1 if the server has no regions"
        )
    server = S3Server(os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/"), region)
    url = urlsplit(server.endpoint)
    if server.endpoint and (url.scheme not in ("http", "https") or not url.hostname):
        raise BadConfig(
            f"AWS_ENDPOINT_URL={shown(server.endpoint)} is invalid; write it like "
            "https://s3.example.com"
        )
    allowed = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("true", "1")
    if server.plain and not allowed and not _is_local(str(url.hostname)):
        raise BadConfig(
            f"AWS_ENDPOINT_URL={shown(server.endpoint)} sends data and requests unencrypted: use "
            "https, or set AWS_ALLOW_HTTP=true on a trusted network"
        )
    return server


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def delta_options(address: str) -> dict[str, str] | None:
    """Return deltalake's storage options; None for a path.

    A commit is a conditional put: of two concurrent writers, one fails and must retry.
    """
    if not is_s3(address):
        return None
    return _common_options() | {
        "aws_conditional_put": "etag",
        "max_retries": str(RETRIES),
        "retry_timeout": f"{RETRY_SECONDS}s",
    }


def polars_options(address: str) -> dict[str, Any] | None:
    """Return polars' storage options; None for a path."""
    if not is_s3(address):
        return None
    return _common_options() | {"max_retries": RETRIES, "retry_timeout_ms": 1000 * RETRY_SECONDS}


def _common_options() -> dict[str, Any]:
    server = s3_server()
    endpoint = {"aws_endpoint_url": server.endpoint} if server.endpoint else {}
    return endpoint | {
        "aws_region": server.region,
        "aws_allow_http": str(server.plain).lower(),
        "connect_timeout": f"{CONNECT_SECONDS}s",
        "timeout": f"{RESPONSE_SECONDS}s",
    }


@cache
def open_file_system() -> S3FileSystem:
    """Return pyarrow's file system of the server; one for each process."""
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    server = s3_server()
    return S3FileSystem(
        endpoint_override=server.endpoint or None,
        region=server.region,
        connect_timeout=CONNECT_SECONDS,
        request_timeout=RESPONSE_SECONDS,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=RETRIES),
    )


def boto_variables(address: str) -> dict[str, str]:
    """Return boto3's own variables, for MLflow, which uses it; none for a path."""
    return {"AWS_DEFAULT_REGION": s3_server().region} if is_s3(address) else {}


def s3_client() -> Any:  # noqa: ANN401
    """Return boto3's client of the server."""
    from boto3.session import Session
    from botocore.config import Config

    server = s3_server()
    return Session(region_name=server.region).client(
        "s3",
        endpoint_url=server.endpoint or None,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=RESPONSE_SECONDS,
            retries={"total_max_attempts": RETRIES, "mode": "standard"},
        ),
    )
