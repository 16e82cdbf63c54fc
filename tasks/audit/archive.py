"""Audit archive: one file with a version's model, history, data versions and packages.

The archive is a zip file that Python runs: `python ARCHIVE` verifies it. Its comment is the sha256
of all bytes before it, so that a changed byte anywhere is noticed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version as installed_version
from importlib.resources import files as package_files
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from infra.audit import verify_archive as layout
from infra.sbom import build_sbom, describe_software, find_lock_file, read_lock_file
from tasks.audit.data_versions import describe_data_versions
from tasks.ledger.descriptions import describe_standing, list_decision_records
from tasks.ledger.log import Entry, digest_entry, open_ledger
from tasks.model_cards.page import describe_version_history
from tasks.model_cards.text import render_card
from tasks.models.artifact import VersionFiles, parse_artifact, read_version_files
from tasks.models.card import ModelCard
from tasks.models.file_integrity import require_digests
from tasks.models.mlflow.client import mlflow_errors
from tasks.models.mlflow.versions import EXTRA_FILES, downloaded_version
from tasks.models.registry import open_model

_SCRIPT, _READABLE_CARD, _README = "__main__.py", "card.md", "README.md"
_GOLDEN_LINES = "golden.jsonl"
_FORMAT = 1
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # of a zip file; a fixed time makes equal archives equal


def build_audit_archive(use_case: str, version: int, as_of: datetime) -> bytes:
    """Return the audit archive of a version; equal for equal state and `as_of`.

    Args:
        use_case: name in the ledger; its YAML is not needed.
        version: the version, whose files and golden predictions are checked first.
        as_of: moment of the archive, for its manifest.

    Raises:
        BadModel: a file of the version is missing, or differs from the ledger's digest.
    """
    entries = open_ledger().entries(use_case)
    files = _read_checked_files(use_case, version)
    card = parse_artifact(files, f"{use_case} version {version}").card
    contents = {
        **_list_model_files(files, card, version),
        layout.LEDGER: b"".join(map(_encode_entry, entries)),
        layout.DECISIONS: _encode(list_decision_records(entries, version, layout.STATED)),
        layout.DATA: _encode(describe_data_versions(use_case, card.table_versions)),
        _READABLE_CARD: render_card(card, describe_version_history(entries, version)).encode(),
        _README: package_files("infra.audit").joinpath(_README).read_bytes(),
        _SCRIPT: package_files("infra.audit").joinpath("verify_archive.py").read_bytes(),
    }
    facts = {
        "format": _FORMAT,
        "use_case": use_case,
        "version": version,
        "standing": describe_standing(entries, version),
        "as_of": as_of.isoformat(),
        "mainspring": installed_version("mainspring"),
    }
    return pack_archive(contents, facts)


def pack_archive(contents: Mapping[str, bytes], facts: Mapping[str, Any]) -> bytes:
    """Return the zip file of contents with a manifest, and its digest at the end.

    Args:
        contents: of each file, by name.
        facts: what the manifest says beside the digests.
    """
    listed = {
        name: {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in sorted(contents.items())
    }
    manifest = _encode({**facts, "files": listed})
    digest = f"{sha256(manifest).hexdigest()}  {layout.MANIFEST}\n".encode()
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        written = {**contents, layout.MANIFEST: manifest, layout.MANIFEST_DIGEST: digest}
        for name in sorted(written):
            info = ZipInfo(name, _EARLIEST)
            info.external_attr = 0o644 << 16
            archive.writestr(info, written[name], ZIP_DEFLATED)
        archive.comment = b"0" * layout.DIGEST_LENGTH
    body = buffer.getvalue()[: -layout.DIGEST_LENGTH]
    return body + sha256(body).hexdigest().encode()


def read_archive_digest(archive: bytes) -> str:
    """Return the digest of an archive: the sha256 of its manifest, as the script prints it."""
    with ZipFile(BytesIO(archive)) as opened:
        return sha256(opened.read(layout.MANIFEST)).hexdigest()


@mlflow_errors()
def _read_checked_files(use_case: str, version: int) -> VersionFiles:
    """Return the files of a version after the checks that every opening of it makes."""
    model, name = open_model(use_case, version), f"{use_case} version {version}"
    assert model.digests is not None  # the registry gives them to each version
    with downloaded_version(use_case, version) as folder:
        files = read_version_files(folder, name, EXTRA_FILES)
    require_digests(files, model.digests, "the ledger", name)
    return files


def _list_model_files(files: VersionFiles, card: ModelCard, version: int) -> dict[str, bytes]:
    """Return the registered files of a version, its golden rows as JSON lines, and its SBOM."""
    golden = parse_artifact(files, card.use_case).golden
    subject = describe_software(card.use_case, str(version), card.digest)
    sbom = build_sbom(read_lock_file(find_lock_file()), subject)
    trained = [{"name": f"trained with {k}", "value": v} for k, v in card.environment.items()]
    sbom["metadata"]["properties"] = trained
    return {
        layout.ONNX: files.onnx,
        layout.CARD: files.card,
        layout.GOLDEN: files.golden,
        _GOLDEN_LINES: golden.write_ndjson().encode(),
        layout.SBOM: _encode(sbom),
    }


def _encode_entry(entry: Entry) -> bytes:
    """Return a line of an entry with all of its fields, and the digest of these."""
    fields = vars(entry) | {"digest": digest_entry(entry)}
    line = json.dumps(fields, sort_keys=True, default=datetime.isoformat)
    return f"{line}\n".encode()


def _encode(value: object) -> bytes:
    return f"{json.dumps(value, indent=1, ensure_ascii=False)}\n".encode()
