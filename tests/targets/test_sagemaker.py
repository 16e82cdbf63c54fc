"""An endpoint of SageMaker follows the ledger, at moto's server of AWS's interfaces."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from configs.schema.serving import SageMakerTarget
from configs.schema.use_case import UseCase
from infra.storage.s3 import open_file_system, s3_server
from tasks.models.registry import Model
from tasks.targets.bundle import build_bundle
from tasks.targets.sagemaker_driver import follow_with_sagemaker
from tasks.targets.wanted_versions import WantedVersion
from tests.support.environments import make_locked_environment
from tests.support.flights import quick_use_case
from tests.support.programs import free_ports
from tests.targets.servers import running

pytestmark = pytest.mark.slow


def champion(share: float = 1.0) -> WantedVersion:
    return WantedVersion(1, "champion", share, "a" * 64)


def challenger(share: float) -> WantedVersion:
    return WantedVersion(2, "challenger", share, "b" * 64)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of moto's server, with a bucket; the settings of S3 lead to it."""
    folder, [port] = tmp_path_factory.mktemp("moto"), free_ports(1)
    address = f"http://127.0.0.1:{port}"
    command = [
        "python",
        str(Path(__file__).parent / "moto_with_updates.py"),
        "-H",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    variables = {
        "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "none", "AWS_REGION": "eu-west-1",
        "AWS_SECRET_ACCESS_KEY": "none",
    }  # fmt: skip
    with (
        running(command, folder, make_locked_environment("moto"), f"{address}/moto-api/"),
        pytest.MonkeyPatch.context() as patched,
    ):
        for name, value in variables.items():
            patched.setenv(name, value)
        for cached in (open_file_system, s3_server):
            getattr(cached, "cache_clear", lambda: None)()
        open_client(address, "s3").create_bucket(
            Bucket="bundles", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield address
    open_file_system.cache_clear()


def open_client(address: str, name: str) -> Any:
    return boto3.client(
        name, endpoint_url=address, region_name="eu-west-1", aws_access_key_id="none",
        aws_secret_access_key="none",
    )  # fmt: skip


def read_shares(address: str) -> dict[str, float]:
    """The weight of each variant, with the model that it serves."""
    client = open_client(address, "sagemaker")
    endpoint = client.describe_endpoint(EndpointName="flights")
    config = client.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    models = {v["VariantName"]: v["ModelName"] for v in config["ProductionVariants"]}
    return {
        f"{v['VariantName']} {models[v['VariantName']].split('-')[1]}": v["DesiredWeight"]
        for v in endpoint["ProductionVariants"]
    }


def test_an_endpoint_follows_promotion_canary_and_rollback(
    service: str, model: Model, tmp_path: Path
) -> None:
    use_case: UseCase = quick_use_case()
    target = SageMakerTarget.model_validate(
        {
            "kind": "sagemaker", "endpoint": "flights", "bundles": "s3://bundles/flights",
            "image": "registry.example.com/flights:v1", "url": service,
            "role": "arn:aws:iam::123456789012:role/model",
        }
    )  # fmt: skip

    def follow(*wanted: WantedVersion) -> bool:
        return follow_with_sagemaker(
            "flights", target, wanted, lambda _: build_bundle(use_case, model, "sagemaker")
        )

    assert follow(champion())
    assert read_shares(service) == {"champion v1": 1.0}
    assert not follow(champion())
    assert follow(champion(0.9), challenger(0.1))
    assert read_shares(service) == {"champion v1": 0.9, "challenger v2": 0.1}
    grown = champion(0.5), challenger(0.5)
    assert follow(*grown)
    assert not follow(*grown)
    assert read_shares(service) == {"champion v1": 0.5, "challenger v2": 0.5}
    assert follow(champion())
    assert read_shares(service) == {"champion v1": 1.0}
    packed = open_client(service, "s3").list_objects_v2(Bucket="bundles")["Contents"]
    content = open_client(service, "s3").get_object(Bucket="bundles", Key=packed[0]["Key"])
    with tarfile.open(fileobj=io.BytesIO(content["Body"].read())) as archive:
        archive.extractall(tmp_path, filter="data")
    assert {"model.onnx", "card.json", "serve"} <= {path.name for path in tmp_path.iterdir()}
