"""Promotion, canary and rollback reach an InferenceService, also after a kill at any point."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from configs.errors import BadConfig, Transient
from configs.schema.serving import KServeTarget, Target
from tasks.storage import files
from tasks.targets import kserve_driver
from tasks.targets.kserve_driver import follow_with_kserve
from tasks.targets.wanted_versions import WantedVersion
from tests.support.kubernetes import KubernetesEmulator, serve_cluster

pytestmark = pytest.mark.system
BUNDLE = {"card.json": b"{}", "model.onnx": b"model", "server.py": b""}
FIELDS = {
    "kind": "kserve", "service": "flights", "bundles": "s3://bucket/kserve",
    "image": "registry.example.com/server:v1",
}  # fmt: skip


class ProcessEnded(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def cluster() -> Iterator[KubernetesEmulator]:
    with serve_cluster() as cluster:
        yield cluster


@pytest.fixture
def target(cluster: KubernetesEmulator, tmp_path: Path) -> KServeTarget:
    target = KServeTarget.model_validate(FIELDS | {"url": cluster.url})
    return target.model_copy(update={"bundles": str(tmp_path)})


def version(number: int, share: float = 1.0) -> WantedVersion:
    return WantedVersion(number, "champion", share, str(number) * 64)


STEPS = {
    "promoted": ((version(1),), {"1": 100}),
    "canary": ((version(1, 0.9), version(2, 0.1)), {"1": 90, "2": 10}),
    "grown": ((version(1, 0.5), version(2, 0.5)), {"1": 50, "2": 50}),
    "rolled back": ((version(1),), {"1": 100}),
    "canary of another": ((version(1, 0.75), version(3, 0.25)), {"1": 75, "3": 25}),
    "promoted again": ((version(3),), {"3": 100}),
    "canary on it": ((version(3, 0.8), version(4, 0.2)), {"3": 80, "4": 20}),
    "no champion of the canary": ((version(5, 0.8), version(6, 0.2)), {"5": 80, "6": 20}),
}


def apply_wanted(target: KServeTarget, *wanted: WantedVersion) -> bool:
    return follow_with_kserve("flights", target, wanted, lambda _: BUNDLE)


def test_each_step_of_a_rollout_changes_the_split_once(cluster, target, tmp_path):
    for step, (wanted, expected) in STEPS.items():
        assert apply_wanted(target, *wanted), step
        changes = cluster.changes
        assert not apply_wanted(target, *wanted), step
        assert (cluster.traffic(), cluster.changes) == (expected, changes), step
    assert {path.name for path in tmp_path.glob("flights/1-111111111111/*")} == set(BUNDLE)


@pytest.mark.parametrize("step", STEPS)
def test_a_run_killed_before_any_effect_is_finished_by_the_next(cluster, target, step, monkeypatch):
    wanted, expected = STEPS[step]
    for effect in range(10):
        cluster.services.clear()
        apply_wanted(
            target.model_copy(update={"bundles": f"{target.bundles}/{effect}"}), version(1)
        )
        with monkeypatch.context() as patched:
            kill_before(effect, patched)
            try:
                apply_wanted(target, *wanted)
            except ProcessEnded:
                finished = False
            else:
                finished = True
        apply_wanted(target, *wanted)
        assert cluster.traffic() == expected, effect
        if finished:
            return
    pytest.fail("the run has more effects than were killed")


def kill_before(effect: int, patched: pytest.MonkeyPatch) -> None:
    """End the process before its n-th request or file."""
    left = [effect]

    def count(run):
        def counted(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                raise ProcessEnded
            return run(*arguments, **options)

        return counted

    patched.setattr(kserve_driver, "_call", count(kserve_driver._call))
    patched.setattr(files, "write_file", count(files.write_file))


def test_a_canary_waits_for_the_champion(cluster, target):
    cluster.ready = False
    canary = version(1, 0.9), version(2, 0.1)
    for _ in range(2):
        with pytest.raises(Transient, match="version 1 is not ready yet; its challenger follows"):
            apply_wanted(target, *canary)
    assert cluster.traffic() == {"1": 100}
    cluster.ready = True
    assert apply_wanted(target, *canary)
    assert cluster.traffic() == {"1": 90, "2": 10}


def test_a_refused_service_and_an_api_that_is_down_are_named(cluster, target):
    refused = target.model_copy(update={"account": 5})
    with pytest.raises(BadConfig, match=r"flights: the Kubernetes API refuses PATCH: 422 .*5 is"):
        apply_wanted(refused, version(1))
    down = target.model_copy(update={"url": "http://127.0.0.1:9"})
    with pytest.raises(Transient, match=r"Kubernetes API at http://127\.0\.0\.1:9 does not"):
        apply_wanted(down, version(1))


@pytest.mark.parametrize(
    ("name", "value"),
    [("service", "Flights"), ("service", "9"), ("namespace", "a_b"), ("bundles", "/tmp/x"),
     ("url", "k8s:6443"), ("account", ""), ("image", "")],
)  # fmt: skip
def test_a_field_that_kubernetes_would_refuse_is_invalid(name, value):
    adapter = TypeAdapter[object](Target)
    assert adapter.validate_python(FIELDS | {"url": "https://k8s:6443"})
    with pytest.raises(ValidationError, match=name):
        adapter.validate_python(FIELDS | {"url": "https://k8s:6443", name: value})
