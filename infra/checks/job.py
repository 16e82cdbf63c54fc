"""Rendered Job of the Kubernetes worker, for the checking tools, and a check of Docker's container.

The script fills in the base job templates of infra/pools, as the workers of prefect-kubernetes and
prefect-docker do.
"""

import asyncio
import os
from typing import Any
from uuid import uuid4

import yaml
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.workers.base import BaseJobConfiguration
from prefect_docker.worker import DockerWorkerJobConfiguration
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

from infra.work_pools import read_template

_IMAGE = "mainspring:0.1.0"


async def render_job(kind: str, configuration: type[BaseJobConfiguration]) -> Any:  # noqa: ANN401
    """Render what a type of pool creates for a run of the first deployment."""
    run = FlowRun(
        id=uuid4(), flow_id=uuid4(), name="quick-fox", state=State(type=StateType.PENDING)
    )
    client = PrefectClient("http://prefect:4200/api")  # never called: no template names a block
    job = await configuration.from_template_and_values(read_template(kind), {}, client=client)
    job.prepare_for_flow_run(run)
    return job


def main() -> None:
    """Print the Job as YAML; raise if either template is invalid."""
    os.environ["MAINSPRING_IMAGE"] = _IMAGE
    job = asyncio.run(render_job("kubernetes", KubernetesWorkerJobConfiguration)).job_manifest
    pod = job["spec"]["template"]["spec"]
    del pod["parallelism"], pod["completions"]  # Prefect requires them here, Kubernetes drops them
    job["metadata"]["name"] = job["metadata"].pop("generateName") + "x"
    print(yaml.safe_dump(job))
    container = asyncio.run(render_job("docker", DockerWorkerJobConfiguration))
    assert (container.image, container.command) == (_IMAGE, "python -m infra.warm_start.client")


if __name__ == "__main__":
    main()
