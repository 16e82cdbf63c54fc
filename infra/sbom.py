"""SBOM: the packages of a lock file as CycloneDX JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from configs.errors import BadConfig
from configs.settings import ROOT

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)")
_MARKER = re.compile(r";\s*(?P<marker>[^\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_SEPARATORS = re.compile(r"[-_.]+")


def find_lock_file() -> Path:
    """Return the lock file of this installation; BadConfig if there is none."""
    locks = (ROOT / "requirements.lock", ROOT / "infra" / "image.lock")  # an image has the second
    existing = next((lock for lock in locks if lock.is_file()), None)
    if existing is None:
        raise BadConfig(f"{locks[0]} not found; restore it from the repository")
    return existing


def read_lock_file(path: Path) -> str:
    """Return the text of a lock file; BadConfig if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"lock file {path} cannot be read: {error}; name a lock file") from error


def build_sbom(lock: str, subject: Mapping[str, Any]) -> dict[str, Any]:
    """Return the packages of a lock file as a CycloneDX document; equal for equal content.

    Args:
        lock: text of a requirements file with exact versions, and hashes if it has them.
        subject: the CycloneDX component that consists of them.

    Raises:
        BadConfig: a line is no requirement with an exact version.
    """
    components = [_build_component(entry) for entry in _split_requirements(lock)]
    content = json.dumps([subject, components], sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {"component": dict(subject)},
        "components": components,
        "dependencies": [{"ref": subject["bom-ref"], "dependsOn": _list_references(components)}],
    }


def describe_software(name: str, version: str, digest: str | None = None) -> dict[str, Any]:
    """Return what an SBOM is about: a program or a model, as a CycloneDX component.

    Args:
        name: of the program or model.
        version: of it.
        digest: sha256 of its file; None for many files.
    """
    component: dict[str, Any] = {
        "type": "application" if digest is None else "machine-learning-model",
        "bom-ref": f"{name}@{version}",
        "name": name,
        "version": version,
    }
    return component | ({"hashes": _list_hashes([digest])} if digest else {})


def _split_requirements(lock: str) -> list[str]:
    """Return the requirements of a lock file, each with its continued lines."""
    joined = lock.replace("\\\n", " ")
    lines = (line.partition(" #")[0].strip() for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def _build_component(requirement: str) -> dict[str, Any]:
    match = _REQUIREMENT.match(requirement)
    if match is None:
        raise BadConfig(f"the lock file has no exact version in {requirement[:80]!r}; lock it")
    name, version = _SEPARATORS.sub("-", match["name"]).lower(), match["version"]
    url = f"pkg:pypi/{name}@{version}"
    component: dict[str, Any] = {
        "type": "library", "bom-ref": url, "name": name, "version": version, "purl": url,
    }  # fmt: skip
    hashes = _HASH.findall(requirement)
    if hashes:  # one a file of the release
        address = f"https://pypi.org/project/{name}/{version}/"
        reference = {"type": "distribution", "url": address, "hashes": _list_hashes(hashes)}
        component["externalReferences"] = [reference]
    marker = _MARKER.search(requirement.partition("--hash")[0])
    if marker is not None:
        component["properties"] = [{"name": "python:marker", "value": marker["marker"].strip()}]
    return component


def _list_hashes(digests: Sequence[str]) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest} for digest in digests]


def _list_references(components: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted({component["bom-ref"] for component in components})
