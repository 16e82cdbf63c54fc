"""Verification of an audit archive of a model version, with Python's standard library alone.

The archive holds this script as `__main__.py`, so `python ARCHIVE` runs it. It verifies that the
bytes are those that were written, and that the files agree with one another. Exit code 1 means
that something is changed, missing or added; each such file is named.

An archive that was made again as a whole passes. So compare the digest that this script prints
with the one that the archive's author gave you, or pass that one with --digest.
"""

from __future__ import annotations

import argparse
import json
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

MANIFEST, MANIFEST_DIGEST, LEDGER = "manifest.json", "manifest.sha256", "ledger.jsonl"
ONNX, CARD, GOLDEN = "model/model.onnx", "model/card.json", "model/golden.parquet"
DECISIONS, DATA, SBOM = "decisions.json", "data.json", "sbom.json"
DIGEST_LENGTH = 64  # characters of a sha256; a zip file's comment is the digest of all before it
RUN_CACHE = "__pycache__/__main__."  # Python writes it before it runs a folder
REFERENCES = ("alert", "episode", "promotion")  # fields of evidence that name an earlier entry
RECORDS = ("candidate_registered", "promoted", "recovered", "rows_erased")
STATED = ("approval_asked", "approved", "rejected", "promoted", "refused", "rolled_back")
Files = Mapping[str, bytes]
Entries = list[dict[str, Any]]


class Problem(Exception):
    """What is wrong with an archive, in a sentence."""


def main(arguments: list[str] | None = None) -> int:
    """Verify the archive of the command line, print what was verified, return the exit code."""
    parser = argparse.ArgumentParser(description="Verify the audit archive of a model version.")
    own = Path(sys.argv[0])
    place = own if own.name != "__main__.py" else own.parent
    parser.add_argument("archive", nargs="?", type=Path, default=place)
    parser.add_argument("--digest", help="digest of the archive that its author gave you")
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    problems = 0
    for is_sound, text in verify(options.archive, options.digest):
        print(f"{'ok   ' if is_sound else 'WRONG'} {text}", flush=True)
        problems += not is_sound
    print("The archive is NOT verified." if problems else "The archive is verified.")
    return 1 if problems else 0


def verify(place: Path, expected: str | None = None) -> Iterator[tuple[bool, str]]:
    """Yield each statement about an archive with whether it is sound.

    Args:
        place: the archive, or the folder that it was unpacked to.
        expected: the digest that the archive must have; None for any.
    """
    try:
        files, findings = read_files(place)
    except (OSError, Problem, zipfile.BadZipFile, NotImplementedError) as error:
        yield False, f"{place} is not a readable archive: {error}"
        return
    problems = [*findings, *compare_with_manifest(files)]
    yield from ((False, problem) for problem in problems)
    if problems:
        return
    count = len(files)
    yield True, f"{count} files: each is as it was written, none is missing, none is added"
    digest = sha256(files[MANIFEST]).hexdigest()
    if expected is not None:
        is_same = expected.strip().lower() == digest
        yield is_same, f"the digest is {'' if is_same else 'not '}{expected.strip()}"
    for check in CHECKS:
        try:
            yield True, check(files)
        except Problem as problem:
            yield False, str(problem)
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            subject = check.__name__.replace("check_", "").replace("_", " ")
            yield False, f"{subject}: not as an archive has it ({type(error).__name__}: {error})"
    yield True, f"the digest of this archive is {digest}"


def read_files(place: Path) -> tuple[Files, list[str]]:
    """Return the files of an archive or folder by name, and what is wrong with the container."""
    if place.is_dir():
        return _read_folder(place)
    content = place.read_bytes()
    if len(content) < DIGEST_LENGTH:
        raise Problem("it is too short")
    body, digest = content[:-DIGEST_LENGTH], content[-DIGEST_LENGTH:]
    findings = []
    if sha256(body).hexdigest().encode() != digest:
        findings.append(f"{place.name}: its bytes differ from the digest at its end")
    with zipfile.ZipFile(place) as archive:
        names = Counter(archive.namelist())
        findings += [f"{name}: it is there {n} times" for name, n in names.items() if n > 1]
        files = {}
        for name in names:
            try:
                files[name] = archive.read(name)
            except Exception as error:  # noqa: BLE001 - a changed byte raises any of many types
                files[name] = b""
                findings.append(f"{name}: it cannot be read ({error})")
    return files, findings


def _read_folder(folder: Path) -> tuple[Files, list[str]]:
    files, findings = {}, []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            findings.append(f"{name}: it is neither a file nor a folder")
        elif path.is_file() and not (name.startswith(RUN_CACHE) and folder == Path(sys.argv[0])):
            files[name] = path.read_bytes()
    return files, findings


def compare_with_manifest(files: Files) -> Iterator[str]:
    """Yield each file that differs from the manifest, is missing, or is added."""
    missing = [name for name in (MANIFEST, MANIFEST_DIGEST) if name not in files]
    if missing:
        yield from (f"{name}: it is missing" for name in missing)
        return
    line = f"{sha256(files[MANIFEST]).hexdigest()}  {MANIFEST}\n"
    if files[MANIFEST_DIGEST] != line.encode():
        yield f"{MANIFEST} or {MANIFEST_DIGEST}: they do not belong to each other"
    try:
        listed = {str(k): dict(v) for k, v in json.loads(files[MANIFEST])["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        yield f"{MANIFEST}: it is not readable"
        return
    for name in sorted({*files, *listed} - {MANIFEST, MANIFEST_DIGEST}):
        yield from _compare_file(name, files.get(name), listed.get(name))


def _compare_file(name: str, content: bytes | None, listed: dict[str, Any] | None) -> Iterator[str]:
    if listed is None:
        yield f"{name}: it was added; the manifest does not have it"
    elif content is None:
        yield f"{name}: it is missing"
    elif {"sha256": sha256(content).hexdigest(), "bytes": len(content)} != listed:
        yield f"{name}: it was changed; sha256 or size is not that of the manifest"


def check_ledger(files: Files) -> str:
    """Return what was verified of the ledger; Problem if an entry is changed or missing."""
    entries, manifest = _read_entries(files), _read_manifest(files)
    _require(bool(entries), f"{LEDGER}: it has no entry")
    for number, entry in enumerate(entries, 1):
        _require(entry["seq"] == number, f"{LEDGER}: entry {number} is missing")
        _require(entry["model"] == manifest["use_case"], f"{LEDGER}: entry {number} is of another")
        own = {name: value for name, value in entry.items() if name != "digest"}
        stored = json.dumps(own, sort_keys=True).encode()
        is_same = entry["digest"] == sha256(stored).hexdigest()
        _require(is_same, f"{LEDGER}: entry {number} differs from its own digest")
    twice = [key for key, n in Counter(e["key"] for e in entries).items() if n > 1]
    _require(not twice, f"{LEDGER}: a key is there twice: {twice[:1]}")
    _require_references(entries)
    return (
        f"{len(entries)} entries of the ledger: numbered without a gap, each as its own digest "
        "says, and each one that names an earlier one finds it"
    )


def _require_references(entries: Entries) -> None:
    seen: set[str] = set()
    for entry in entries:
        for name in REFERENCES:
            key = entry["evidence"].get(name)
            message = f"{LEDGER}: entry {entry['seq']} names {key!r}, which no earlier entry has"
            _require(not key or key in seen, message)
        seen.add(entry["key"])


def check_model(files: Files) -> str:
    """Return what was verified of the model's files; Problem if they are not the registered."""
    card, manifest = json.loads(files[CARD]), _read_manifest(files)
    _require(card["use_case"] == manifest["use_case"], f"{CARD}: it is of another use case")
    actual = {
        name: sha256(files[file]).hexdigest()
        for name, file in (("onnx", ONNX), ("card", CARD), ("golden", GOLDEN))
    }
    _require(card["digest"] == actual["onnx"], f"{CARD}: it is the card of another {ONNX}")
    recorded = _find_recorded_digests(files)
    _require("onnx" in recorded, f"{LEDGER}: no entry has the digest of this version's model")
    for name, (digest, number) in recorded.items():
        message = f"model/: the ledger's entry {number} records another file as {name}"
        _require(digest == actual[name], message)
    return (
        f"the ledger records the sha256 of {len(recorded)} of the 3 files of the model, and they "
        "are these files; the card is that of this model"
    )


def _find_recorded_digests(files: Files) -> dict[str, tuple[str, int]]:
    """Return the digest of each file that the ledger recorded last, and in which entry."""
    version = _read_manifest(files)["version"]
    recorded: dict[str, tuple[str, int]] = {}
    for entry in _read_entries(files):
        if entry["version"] == version and entry["what"] in RECORDS:
            evidence = entry["evidence"]
            own = evidence.get("files") or {"onnx": evidence.get("digest")}
            recorded |= {name: (digest, entry["seq"]) for name, digest in own.items() if digest}
    return recorded


def check_decisions(files: Files) -> str:
    """Return the decisions on the version; Problem if they are not those of the ledger."""
    version, entries = _read_manifest(files)["version"], _read_entries(files)
    decisions = json.loads(files[DECISIONS])
    by_seq = {entry["seq"]: entry for entry in entries}
    own = [e["seq"] for e in entries if e["version"] == version and _is_decision(e)]
    _require([d["seq"] for d in decisions] == own, f"{DECISIONS}: not all decisions of the ledger")
    for decision in decisions:
        entry = by_seq[decision["seq"]]
        stated = {name: decision[name] for name in ("what", "key", "at", "actor")}
        agrees = all(entry[name] == value for name, value in stated.items())
        agrees = agrees and decision["checks"] == entry["evidence"].get("gates", [])
        agrees = agrees and decision["reason"] == entry["evidence"].get("reason", "")
        _require(agrees, f"{DECISIONS}: entry {entry['seq']} says something else in the ledger")
    _require_order(entries, version)
    lines = _list_decisions(decisions)
    return f"{len(decisions)} decisions on version {version}, as in the ledger{lines}"


def _is_decision(entry: Mapping[str, Any]) -> bool:
    return entry["what"] in STATED or bool(entry["evidence"].get("gates"))


def _require_order(entries: Entries, version: int) -> None:
    """Raise Problem if the version was approved or rejected before that was requested."""
    was_requested = False
    for entry in (entry for entry in entries if entry["version"] == version):
        was_requested = was_requested or entry["what"] == "approval_asked"
        message = f"{LEDGER}: entry {entry['seq']} is an approval without a request"
        _require(was_requested or entry["what"] not in ("approved", "rejected"), message)


def _list_decisions(decisions: Entries) -> str:
    lines = []
    for decision in decisions:
        verdicts = Counter(check["verdict"] for check in decision["checks"])
        counts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(verdicts.items()))
        gate = f"; checks of the gate: {counts}" if counts else ""
        reason = f": {decision['reason']}" if decision["reason"] else ""
        what = decision["what"].replace("_", " ")
        by = f"{decision['at']} by {decision['actor']}"
        lines.append(f"\n        {what}, {by}{reason}{gate}")
    return "".join(lines)


def check_data(files: Files) -> str:
    """Return the data versions; Problem if they are not those of the card."""
    tables, card = json.loads(files[DATA]), json.loads(files[CARD])
    versions = {name: table["version"] for name, table in tables.items()}
    _require(versions == card["table_versions"], f"{DATA}: not the versions that the card names")
    lines = [
        f"\n        {name} version {table['version']}: "
        + (f"commit {table['commit_sha256']}" if table["commit_sha256"] else str(table["note"]))
        for name, table in sorted(tables.items())
    ]
    return f"{len(tables)} tables were read in training, at these versions{''.join(lines)}"


def check_packages(files: Files) -> str:
    """Return the number of packages in the SBOM; Problem if it is of another model."""
    sbom = json.loads(files[SBOM])
    _require(sbom["bomFormat"] == "CycloneDX", f"{SBOM}: it is not CycloneDX")
    hashes = {h["content"] for h in sbom["metadata"]["component"]["hashes"]}
    _require(hashes == {sha256(files[ONNX]).hexdigest()}, f"{SBOM}: it is of another {ONNX}")
    return f"{len(sbom['components'])} packages in {SBOM}, which belongs to this model"


CHECKS = (check_ledger, check_model, check_decisions, check_data, check_packages)


def _read_manifest(files: Files) -> dict[str, Any]:
    return dict(json.loads(files[MANIFEST]))


def _read_entries(files: Files) -> Entries:
    return [dict(json.loads(line)) for line in files[LEDGER].splitlines()]


def _require(is_sound: bool, problem: str) -> None:
    if not is_sound:
        raise Problem(problem)


if __name__ == "__main__":
    raise SystemExit(main())
