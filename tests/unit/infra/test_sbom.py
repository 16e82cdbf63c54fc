"""SBOM of lock files: required fields of CycloneDX, versions, hashes, and lines that are none."""

from __future__ import annotations

import json
import re
from uuid import UUID

import pytest
from typer.testing import CliRunner

from configs.errors import BadConfig
from configs.settings import ROOT
from flows.cli.app import app
from infra.sbom import build_sbom, describe_software, find_lock_file

SUBJECT = describe_software("mainspring", "1")
HASH = "a" * 64


def component(line: str) -> dict:
    (only,) = build_sbom(line, SUBJECT)["components"]
    return only


@pytest.mark.parametrize("lock", ["requirements.lock", "infra/image.lock"])
def test_every_package_of_a_lock_file_is_there_with_hashes(lock):
    text = (ROOT / lock).read_text()
    sbom = build_sbom(text, SUBJECT)
    assert len(sbom["components"]) == len(re.findall(r"^[a-z0-9].*==", text, re.MULTILINE))
    hashes = [
        each["content"]
        for item in sbom["components"]
        for each in item["externalReferences"][0]["hashes"]
    ]
    assert len(hashes) == text.count("--hash=sha256:")
    assert_is_cyclonedx(sbom)


def assert_is_cyclonedx(sbom: dict) -> None:
    """What the schema of CycloneDX 1.6 requires of the fields that we write."""
    assert (sbom["bomFormat"], sbom["specVersion"], sbom["version"]) == ("CycloneDX", "1.6", 1)
    UUID(sbom["serialNumber"].removeprefix("urn:uuid:"))
    items = [sbom["metadata"]["component"], *sbom["components"]]
    references = [item["bom-ref"] for item in items]
    assert len(set(references)) == len(references)
    for item in items:
        assert item["type"] in ("application", "library", "machine-learning-model")
        assert item["name"]
        assert item["version"]
    for item in sbom["components"]:
        assert re.fullmatch(r"pkg:pypi/[a-z0-9-]+@[^@]+", item["purl"])
    (edges,) = sbom["dependencies"]
    assert {edges["ref"], *edges["dependsOn"]} <= set(references)


@pytest.mark.parametrize(
    ("line", "name", "version"),
    [
        ("numpy==2.1.0", "numpy", "2.1.0"),
        ("Typing_Extensions==4.1 # a note", "typing-extensions", "4.1"),
        ("zope.interface==7.0", "zope-interface", "7.0"),
        ("psycopg[binary]==3.2.1", "psycopg", "3.2.1"),
        ("torch==2.0+cpu ; python_version < '3.12'", "torch", "2.0+cpu"),
        (f"a==1 \\\n    --hash=sha256:{HASH} \\\n    --hash=sha256:{HASH}", "a", "1"),
    ],
)
def test_requirement_is_a_component(line, name, version):
    assert (component(line)["name"], component(line)["version"]) == (name, version)


def test_marker_of_a_requirement_is_a_property():
    line = f"colorama==0.4.6 ; sys_platform == 'win32' \\\n    --hash=sha256:{HASH}"
    (marker,) = component(line)["properties"]
    assert marker == {"name": "python:marker", "value": "sys_platform == 'win32'"}


@pytest.mark.parametrize("line", ["numpy", "numpy>=2", "./folder", "git+https://x/y", "==1"])
def test_requirement_without_an_exact_version_is_refused(line):
    with pytest.raises(BadConfig, match="no exact version"):
        component(line)


def test_sbom_is_equal_for_equal_content_only():
    one, other = (build_sbom(text, SUBJECT) for text in ("a==1\n", "# note\n--index x\na==1\n"))
    assert one == other
    assert one["serialNumber"] != build_sbom("a==2", SUBJECT)["serialNumber"]


def test_sbom_command_writes_the_lock_file_of_the_clone(tmp_path):
    result = CliRunner().invoke(app, ["sbom", "--out", str(tmp_path / "sbom.json")])
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "sbom.json").read_text())
    assert len(written["components"]) == len(
        build_sbom(find_lock_file().read_text(), SUBJECT)["components"]
    )


def test_sbom_command_names_a_lock_file_that_is_missing(tmp_path):
    words = ["sbom", "--out", str(tmp_path / "x"), "--lock", str(tmp_path / "none.lock")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "none.lock cannot be read" in result.output
