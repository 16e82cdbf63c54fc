"""Schema of targets: systems outside that serve the versions of the ledger's route."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from configs.schema.base import SchemaModel

_AwsName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$")]
_Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s@]+$")]


class FolderTarget(SchemaModel):
    """A folder or S3 prefix with bundles, and `current.json`, which names those that serve."""

    kind: Literal["folder"]
    address: str = Field(min_length=1, description="a path, or s3://bucket/prefix")
    bundle_for: str | None = Field(None, description="target whose files the bundles get")


class SageMakerTarget(SchemaModel):
    """An endpoint of SageMaker: a variant a version, weighted by its share."""

    kind: Literal["sagemaker"]
    endpoint: _AwsName
    bundles: str = Field(pattern=r"^s3://.+", description="where model.tar.gz files go")
    image: str = Field(min_length=1, description="address of the image that serves a bundle")
    role: str = Field(pattern=r"^arn:", description="ARN of the role that the endpoint runs as")
    instance: str = Field("ml.m5.large", description="type of the instances")
    url: _Url | None = Field(None, description="address of the service, if it is another one")


Target = Annotated[FolderTarget | SageMakerTarget, Field(discriminator="kind")]
