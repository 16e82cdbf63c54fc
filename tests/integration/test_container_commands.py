"""The containers' own commands, run here without containers: in a folder that holds what the image
would, with the image's environment and compose's, the stores' addresses put in their place.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from configs.settings import ROOT
from tests.support.containers import compose, image_environment
from tests.support.prefect_server import until

SECRETS = {"MAINSPRING_TOKEN": "a-token-of-the-containers"}
SERVERS = ("prefect", "mlflow", "worker")
OTHER_POOLS = """
import os

os.environ["MAINSPRING_IMAGE"] = "mainspring:0.1.0"

from configs.errors import BadConfig
from infra.work_pools import apply_work_pool, read_template
from prefect.client.orchestration import get_client

with get_client(sync_client=True) as client:
    for kind in ("kubernetes", "docker"):
        apply_work_pool(kind)
        apply_work_pool(kind)
        found = client.read_work_pool("mainspring")
        assert (found.type, found.base_job_template) == (kind, read_template(kind))
        try:
            apply_work_pool("process")
        except BadConfig as refused:
            print(refused)
        client.delete_work_pool("mainspring")
"""


@dataclass
class Host:
    """A machine that would run the containers: where each of them listens, and what it wrote."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)

    def environment(self, service: str) -> dict[str, str]:
        """What a container sees: nothing of this process but where its Python is."""
        given = {**image_environment(), **compose()[service]["environment"]}
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        return {name: self.here(str(value)) for name, value in given.items()} | {"PATH": path}

    def here(self, text: str) -> str:
        """A container's text with this machine's addresses and folders in it."""
        text = re.sub(r"postgresql\S*/(\w+)$", rf"sqlite:///{self.folder}/\1.db", text)
        if "asyncpg" in text or text.endswith("/prefect.db"):
            text = text.replace("sqlite:", "sqlite+aiosqlite:")
        text = re.sub(r"s3://mainspring|redis://\S+", str(self.folder / "s3"), text)
        text = re.sub(r"\$\{(\w+).*?\}", lambda found: SECRETS.get(found[1], "given"), text)
        text = re.sub(r"^/(app|state|tmp)\b", rf"{self.folder}/\1", text)
        for service, port in self.ports.items():
            number = {"prefect": 4200, "mlflow": 5000, "worker": 8080}[service]
            text = text.replace(f"{service}:{number}", f"127.0.0.1:{port}")
            text = re.sub(rf"(^|127\.0\.0\.1:){number}\b", rf"\g<1>{port}", text)
        return text.replace("0.0.0.0", "127.0.0.1")

    def command(self, words: list[str]) -> list[str]:
        """A container's command; `mainspring` is the script that the Dockerfile writes."""
        here = [self.here(word.replace("$$", "$")) for word in words]
        return ["python", "-m", "flows.cli.app", *here[1:]] if here[0] == "mainspring" else here

    def run(self, service: str, words: list[str] | None = None) -> subprocess.CompletedProcess[str]:
        """A service's command (or another one) to its end, in a container like the service's."""
        return subprocess.run(
            self.command(words or compose()[service]["command"]), env=self.environment(service),
            cwd=self.folder / "app", capture_output=True, text=True,
        )  # fmt: skip

    @contextmanager
    def started(self, service: str) -> Iterator[None]:
        """A service, until it answers its own health check."""
        healthy = compose()[service]["healthcheck"]["test"][1:]
        assert self.run(service, healthy).returncode == 1  # nobody answers yet
        env = {**self.environment(service), "PREFECT_WORKER_WEBSERVER_PORT": self.here("8080")}
        log = self.folder / f"{service}.log"
        with log.open("wb") as output, subprocess.Popen(
            self.command(compose()[service]["command"]), env=env, cwd=self.folder / "app",
            stdout=output, stderr=subprocess.STDOUT,
        ) as process:  # fmt: skip
            try:
                until(lambda: self._answers(process, service, healthy), f"answer of {service}")
                yield
            finally:
                process.terminate()
                process.wait(30)

    def _answers(
        self, process: subprocess.Popen[bytes], service: str, healthy: list[str]
    ) -> bool | None:
        if process.poll() is not None:
            pytest.fail(f"{service} ended\n{(self.folder / f'{service}.log').read_text()[-3000:]}")
        with socket.socket() as probe:  # first, because a health check starts a Python each time
            if probe.connect_ex(("127.0.0.1", self.ports[service])):
                return None
        return True if self.run(service, healthy).returncode == 0 else None


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """What .dockerignore lets into the image, and a free port for each server."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for pattern in (line[1:] for line in ignored if line.startswith("!")):
        for source in ROOT.glob(pattern):
            target = tmp_path / "app" / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy(source, target)
    for folder in ("state", "tmp", "s3"):
        (tmp_path / folder).mkdir()
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in SERVERS]
        ports = [each.getsockname()[1] for each in sockets]
    return Host(tmp_path, dict(zip(SERVERS, ports, strict=True)))


@pytest.mark.slow
@pytest.mark.server
def test_the_containers_come_up_in_order_and_a_run_completes(host: Host) -> None:
    migrated = host.run("prefect-migrate")
    assert migrated.returncode == 0, migrated.stderr
    before = files(host.folder / "app")
    with host.started("prefect"):
        others = host.run("deploy", ["python", "-c", OTHER_POOLS])
        assert others.returncode == 0, others.stderr
        assert (
            "'mainspring' already exists with type kubernetes, not process: change" in others.stdout
        )
        deployed = host.run("deploy")
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        with host.started("worker"):
            assert state_of_a_run(host) == "COMPLETED", (host.folder / "worker.log").read_text()
    assert files(host.folder / "app") == before  # the root file system may be read-only


@pytest.mark.slow
@pytest.mark.server
def test_mlflow_comes_up_after_its_migration(host: Host) -> None:
    before = files(host.folder / "app")
    for _ in ("made", "again, of the same version"):
        migrated = host.run("mlflow-migrate")
        assert migrated.returncode == 0, migrated.stderr
    with host.started("mlflow"):
        address = host.environment("worker")["MAINSPRING_MLFLOW_URI"]
        token = {"authorization": f"Bearer {SECRETS['MAINSPRING_TOKEN']}"}
        assert "<html" in httpx.get(address, headers=token).text.lower()
        assert httpx.get(address).status_code == 401
        assert httpx.get(address, headers={**token, "host": "x"}).status_code == 403
    assert files(host.folder / "app") == before


def state_of_a_run(host: Host) -> str:
    """How a run of a deployment that the worker starts ends: one that needs nothing in the lake."""
    auth = httpx.BasicAuth("mainspring", SECRETS["MAINSPRING_TOKEN"])
    with httpx.Client(base_url=host.environment("worker")["PREFECT_API_URL"], auth=auth) as client:
        deployment = call_prefect(client, "GET", "/deployments/name/reconcile/visits-reconcile")[
            "id"
        ]
        made = call_prefect(client, "POST", f"/deployments/{deployment}/create_flow_run", json={})[
            "id"
        ]

        def ended() -> str | None:
            state = str(call_prefect(client, "GET", f"/flow_runs/{made}")["state"]["type"])
            return state if state in {"COMPLETED", "FAILED", "CRASHED"} else None

        return until(ended, "end of the run")


def call_prefect(client: httpx.Client, method: str, path: str, **given: Any) -> Any:
    """What Prefect answers; where SQLite is locked it says 503, and wants to be asked again."""

    def answer() -> Any:
        found = client.request(method, path, **given)
        return None if found.status_code == 503 else found.raise_for_status().json()

    return until(answer, path)


def files(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*") if "__pycache__" not in path.parts}


def test_the_image_holds_no_test_no_secret_and_no_tool(host: Host) -> None:
    there = {path.relative_to(host.folder / "app") for path in (host.folder / "app").rglob("*")}
    assert {str(path.parts[0]) for path in there} == {
        "configs", "expectations", "feature_repo", "flows", "infra", "prefect.yaml", "tasks",
    }  # fmt: skip
    assert not {path for path in there if path.name.startswith(".env")}
    assert Path("infra/kubernetes") not in there
