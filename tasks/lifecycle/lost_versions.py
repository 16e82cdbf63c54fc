"""Versions that MLflow lost, registered again from files that its artifact store still has."""

from __future__ import annotations

from hashlib import sha256

from configs.errors import BadModel
from configs.settings import settings
from tasks.ledger.evidence import CandidateRegistered, read_evidence
from tasks.ledger.file_digests import FileDigests
from tasks.ledger.log import Entry
from tasks.ledger.projections import find_file_digests
from tasks.ledger.state import LedgerState
from tasks.models.artifact import CARD_FILE, GOLDEN_FILE, ONNX_FILE, VersionFiles
from tasks.models.mlflow.client import mlflow_errors
from tasks.models.mlflow.versions import EXTRA_FILES, get_version
from tasks.models.registry import restore_version
from tasks.storage.files import list_files, read_file


@mlflow_errors()
def restore_lost_versions(use_case: str, ledger: LedgerState) -> tuple[int, ...]:
    """Register again what the ledger needs and MLflow lacks; return the restored versions.

    These are the champion, the promotions before it and undecided candidates. A version is restored
    from files with the digests of the ledger, under its own number.
    """
    entries = (*ledger.standing_promotions, *ledger.undecided_candidates)
    restored = []
    for version in sorted({entry.version for entry in entries if entry.version is not None}):
        digests = find_file_digests(ledger.entries, version)
        if digests is None or _is_registered(use_case, version):
            continue
        files = _find_files(use_case, digests)
        origin = _find_origin(ledger.entries, version)
        if files is not None and restore_version(files, use_case, version, origin):
            restored.append(version)
    return tuple(restored)


def _is_registered(use_case: str, version: int) -> bool:
    try:
        get_version(use_case, version)
    except BadModel:
        return False
    return True


def _find_origin(entries: tuple[Entry, ...], version: int) -> str:
    """Return what asked for a version; its number if the ledger does not say it."""
    own = (e for e in entries if e.version == version and e.what == "candidate_registered")
    origins = [read_evidence(entry, CandidateRegistered).origin for entry in own]
    return next((origin for origin in origins if origin), f"restored:{version}")


def _find_files(use_case: str, expected: FileDigests) -> VersionFiles | None:
    """Return files of the artifact store with the expected digests; None without such files."""
    root = f"{settings().mlflow_artifacts}/{use_case}"
    stored = {file.path for file in list_files(root)}
    for path in sorted(path for path in stored if path.endswith(f"/{ONNX_FILE}")):
        folder = path.removesuffix(f"/{ONNX_FILE}")
        companions = [f"{folder}/{EXTRA_FILES}/{name}" for name in (CARD_FILE, GOLDEN_FILE)]
        if not stored.issuperset(companions):
            continue
        onnx = read_file(f"{root}/{path}")
        if sha256(onnx).hexdigest() != expected.onnx:
            continue
        files = VersionFiles(onnx, *(read_file(f"{root}/{each}") for each in companions))
        if expected.find_difference(files.digests) is None:
            return files
    return None
