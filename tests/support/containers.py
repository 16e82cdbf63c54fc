"""What the files in infra/ say of containers, read as data."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import yaml

from configs.settings import ROOT

INFRA = ROOT / "infra"
Documents = list[dict[str, Any]]


@cache
def compose() -> dict[str, Any]:
    """The services of compose.yaml; every variable of the host stands as it is written."""
    services: dict[str, Any] = yaml.safe_load((INFRA / "compose.yaml").read_text())["services"]
    return services


@cache
def manifests() -> Documents:
    """What Kubernetes is given, before kustomize adds what all pods get."""
    files = sorted((INFRA / "kubernetes").glob("[bs]*/*.yaml"))
    found = [one for file in files for one in yaml.safe_load_all(file.read_text())]
    return [one for one in found if one["kind"] not in {"Kustomization", "Component"}]


def named(kind: str, name: str) -> dict[str, Any]:
    (found,) = [m for m in manifests() if m["kind"] == kind and m["metadata"]["name"] == name]
    return found


def container(name: str) -> dict[str, Any]:
    """The first container of the workload of that name."""
    (found,) = [m for m in manifests() if "template" in m.get("spec", {}) and
                m["metadata"]["name"] == name]  # fmt: skip
    first: dict[str, Any] = found["spec"]["template"]["spec"]["containers"][0]
    return first


def pool(kind: str) -> dict[str, Any]:
    template: dict[str, Any] = json.loads((INFRA / "pools" / f"{kind}.json").read_text())
    return template


def variables(file: str) -> dict[str, str]:
    """The variables of an example file of secrets."""
    lines = (INFRA / file).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match("[A-Z]", line))


@cache
def image_environment() -> dict[str, str]:
    """What the Dockerfile sets for every container."""
    text = (INFRA / "Dockerfile").read_text().replace("\\\n", " ")
    (line,) = re.findall(r"^ENV (.*)$", text, re.MULTILINE)
    return dict(one.split("=", 1) for one in line.split())
