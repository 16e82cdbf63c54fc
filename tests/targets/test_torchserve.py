"""TorchServe predicts 1,000 nasty rows, and follows promotion, canary and rollback."""

from __future__ import annotations

import os
import signal
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from configs.errors import BadConfig, Transient
from configs.schema.serving import TorchServeTarget
from tasks.models.registry import Model
from tasks.targets import torchserve_driver
from tasks.targets.bundle import build_bundle
from tasks.targets.torchserve_driver import follow_with_torchserve
from tasks.targets.wanted_versions import WantedVersion
from tests.support.bundles import write_bundle
from tests.support.environments import make_locked_environment
from tests.support.flights import quick_use_case
from tests.support.fork_server import fork
from tests.support.programs import find, free_ports
from tests.support.target_rows import TargetRows
from tests.targets.servers import post_rows, running

pytestmark = pytest.mark.slow
FIRST, SECOND = "a" * 64, "b" * 64


class Server:
    """A running TorchServe: addresses of predictions and management, and its model store."""

    def __init__(self, folder: Path, predictions: int, management: int) -> None:
        self.store = folder / "store"
        self.predictions = f"http://127.0.0.1:{predictions}/predictions/flights"
        self.target = TorchServeTarget(
            kind="torchserve", url=f"http://127.0.0.1:{management}", store=str(self.store)
        )

    def versions(self) -> dict[str, bool]:
        """The registered versions, and whether each is the default."""
        models = httpx.get(f"{self.target.url}/models/flights/all").json()
        [default] = httpx.get(f"{self.target.url}/models/flights").json()
        return {m["modelVersion"]: m["modelVersion"] == default["modelVersion"] for m in models}


@pytest.fixture(scope="module")
def server(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A TorchServe whose version 7 was packed by its own archiver."""
    find("java", how="Debian's package openjdk-17-jre-headless")
    folder = write_bundle(tmp_path_factory.mktemp("ts"), quick_use_case(), model, "torchserve")
    environment = make_locked_environment("torchserve")
    (folder / "store").mkdir()
    extra = "bundle.py,card.json,golden.jsonl"
    archiver = ["torch-model-archiver", "--model-name", "flights", "--version", "7",
                "--serialized-file", "model.onnx", "--handler", "handler.py",
                "--extra-files", extra, "--export-path", "store"]  # fmt: skip
    subprocess.run(archiver, cwd=folder, env=environment, check=True)
    ports = free_ports(5)
    config = (folder / "config.properties").read_text()
    for shipped, free in zip((8080, 8081, 8082, 7070, 7071), ports, strict=True):
        config = config.replace(str(shipped), str(free))
    (folder / "config.properties").write_text(config)
    serve = ["torchserve", "--foreground", "--ncs", "--ts-config", "config.properties",
             "--model-store", "store", "--models", "flights=flights.mar"]  # fmt: skip
    with running(serve, folder, environment, f"http://127.0.0.1:{ports[0]}/ping"):
        yield Server(folder, *ports[:2])


@pytest.fixture
def follow_torchserve(server: Server, model: Model) -> Callable[..., bool]:
    bundle = build_bundle(quick_use_case(), model, "torchserve")
    return lambda *wanted: follow_with_torchserve(
        "flights", server.target, wanted, lambda _: bundle
    )


def as_champion(version: int, share: float = 1.0) -> WantedVersion:
    return WantedVersion(version, "champion", share, FIRST if version == 1 else SECOND)


def as_challenger(version: int, share: float) -> WantedVersion:
    return WantedVersion(version, "challenger", share, SECOND)


def test_the_archive_predicts_as_the_version(
    server: Server, target_rows: TargetRows, compare: Callable[[str, Any], None]
) -> None:
    answer = post_rows(server.predictions, target_rows.rows)
    compare("TorchServe", answer.json()["predictions"])
    refused = post_rows(server.predictions, [{"distance": "x"}])
    assert (refused.status_code, refused.json()["field"][:4]) == (400, "$[0]")


def test_promotion_canary_and_rollback_reach_torchserve(
    server: Server, follow_torchserve: Callable[..., bool], target_rows: TargetRows
) -> None:
    assert follow_torchserve(as_champion(1))
    assert server.versions() == {"1": True}
    assert not follow_torchserve(as_champion(1))
    for share in (0.1, 0.5):
        assert follow_torchserve(as_champion(1, 1 - share), as_challenger(2, share)) == (
            share == 0.1
        )
        assert server.versions() == {"1": True, "2": False}
    one = post_rows(f"{server.predictions}/2", target_rows.rows[:1])
    assert one.json()["predictions"][0]["probability"] == pytest.approx(target_rows.values[0])
    assert follow_torchserve(as_champion(2))
    assert server.versions() == {"2": True}
    assert follow_torchserve(as_champion(1))
    assert server.versions() == {"1": True}
    other = WantedVersion(1, "champion", 1.0, "c" * 64)
    with pytest.raises(BadConfig, match=r"version 1 is served from flights-1-a+\.mar, not"):
        follow_torchserve(other)


@pytest.mark.parametrize("calls", range(6))
def test_a_killed_run_is_finished_by_the_next(
    server: Server, follow_torchserve: Callable[..., bool], calls: int
) -> None:
    follow_torchserve(as_champion(1))
    process = fork(follow_and_die, server, calls)
    process.join(120)
    assert process.exitcode in (0, -signal.SIGKILL)
    assert post_rows(server.predictions, []).is_success
    follow_torchserve(as_champion(2))
    assert server.versions() == {"2": True}
    assert not follow_torchserve(as_champion(2))


def follow_and_die(server: Server, calls: int) -> None:
    """Follow a promotion, in a process that is killed before its n-th call."""
    left, call = [calls], torchserve_driver._call

    def count(*arguments: Any, **options: Any) -> Any:
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return call(*arguments, **options)

    torchserve_driver._call = count
    follow_with_torchserve("flights", server.target, [as_champion(2)], lambda _: read_store(server))


def read_store(server: Server) -> dict[str, bytes]:
    """The files of the bundle, from the archive of the first version."""
    with zipfile.ZipFile(server.store / f"flights-1-{FIRST[:12]}.mar") as archive:
        return {n: archive.read(n) for n in archive.namelist() if not n.startswith("MAR-INF")}


def test_a_server_that_is_down_is_a_fault_that_passes(
    follow_torchserve: Callable[..., bool],
) -> None:
    down = TorchServeTarget(kind="torchserve", url="http://127.0.0.1:9", store="/tmp")
    with pytest.raises(Transient, match=r"TorchServe at http://127\.0\.0\.1:9 does not respond"):
        follow_with_torchserve("flights", down, [as_champion(1)], lambda _: {})
