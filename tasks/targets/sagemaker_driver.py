"""Driver of a SageMaker endpoint: a model a version, a variant a role, weights by the shares.

The endpoint's configuration has a name made of the wanted versions, so that a run that is done
again finds what an earlier one made. A change of the shares alone changes the weights alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

from configs.schema.serving import SageMakerTarget
from tasks.storage import files
from tasks.targets.archives import pack_tar
from tasks.targets.folder_driver import MakeBundle
from tasks.targets.wanted_versions import WantedVersion


def follow_with_sagemaker(
    use_case: str,
    target: SageMakerTarget,
    wanted: Sequence[WantedVersion],
    make_bundle: MakeBundle,
) -> bool:
    """Bring an endpoint to the wanted versions; return whether anything changed. Idempotent.

    Args:
        use_case: part of the names of the models.
        target: the endpoint.
        wanted: versions and shares.
        make_bundle: returns the files of a version's bundle.
    """
    client = _open_client(target)
    models = {each.role: _name_model(use_case, each) for each in wanted}
    names = "\n".join([target.instance, *(f"{role} {model}" for role, model in models.items())])
    config = f"{target.endpoint[:40]}-{sha256(names.encode()).hexdigest()[:16]}"
    weights = {each.role: each.share for each in wanted}
    current = _describe(client.describe_endpoint, EndpointName=target.endpoint)
    if current is not None and current["EndpointConfigName"] == config:
        return _set_weights(client, target, current, weights)
    for each in wanted:
        _make_model(client, target, models[each.role], partial(make_bundle, each))
    if _describe(client.describe_endpoint_config, EndpointConfigName=config) is None:
        variants = [_describe_variant(target, role, models[role], weights[role]) for role in models]
        client.create_endpoint_config(EndpointConfigName=config, ProductionVariants=variants)
    if current is None:
        client.create_endpoint(EndpointName=target.endpoint, EndpointConfigName=config)
    else:
        client.update_endpoint(EndpointName=target.endpoint, EndpointConfigName=config)
    _set_weights(client, target, client.describe_endpoint(EndpointName=target.endpoint), weights)
    return True


def _open_client(target: SageMakerTarget) -> Any:  # noqa: ANN401
    from boto3.session import Session

    from infra.storage.s3 import s3_server

    session = Session(region_name=s3_server().region)
    return session.client("sagemaker", endpoint_url=target.url)


def _name_model(use_case: str, wanted: WantedVersion) -> str:
    return f"{use_case.replace('_', '-')}-v{wanted.version}-{wanted.digest[:12]}"


def _describe(ask: Callable[..., dict[str, Any]], **name: str) -> dict[str, Any] | None:
    """Return what the service says of a thing; None if it does not exist."""
    from botocore.exceptions import ClientError

    try:
        return ask(**name)
    except ClientError as error:
        if "could not find" in str(error).lower() or "not exist" in str(error).lower():
            return None
        raise


def _make_model(
    client: Any,  # noqa: ANN401
    target: SageMakerTarget,
    model: str,
    make_files: Callable[[], Mapping[str, bytes]],
) -> None:
    if _describe(client.describe_model, ModelName=model) is not None:
        return
    address = f"{target.bundles.rstrip('/')}/{model}/model.tar.gz"
    files.write_file(address, pack_tar(make_files()))
    container = {"Image": target.image, "ModelDataUrl": address}
    client.create_model(ModelName=model, PrimaryContainer=container, ExecutionRoleArn=target.role)


def _describe_variant(
    target: SageMakerTarget, role: str, model: str, weight: float
) -> dict[str, Any]:
    return {
        "VariantName": role,
        "ModelName": model,
        "InitialInstanceCount": 1,
        "InstanceType": target.instance,
        "InitialVariantWeight": weight,
    }


def _set_weights(
    client: Any,  # noqa: ANN401
    target: SageMakerTarget,
    current: Mapping[str, Any],
    weights: Mapping[str, float],
) -> bool:
    """Set the weights of the variants; return whether one changed."""
    current_weights = {
        each["VariantName"]: each.get("DesiredWeight", each.get("CurrentWeight"))
        for each in current.get("ProductionVariants", ())
    }
    if current_weights == dict(weights):
        return False
    changes = [{"VariantName": role, "DesiredWeight": share} for role, share in weights.items()]
    client.update_endpoint_weights_and_capacities(
        EndpointName=target.endpoint, DesiredWeightsAndCapacities=changes
    )
    return True
