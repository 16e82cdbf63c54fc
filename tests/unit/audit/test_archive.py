"""Audit archive of a version: what it holds, and every tampering that its script must notice."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from infra.audit import verify_archive
from tasks.audit.archive import build_audit_archive, pack_archive, read_archive_digest
from tasks.ledger.log import Entry, digest_entry, open_ledger
from tests.support.parcel_rows import APRIL, DAY, MARCH, parcel_rows
from tests.support.small_case import small_case

pytestmark = pytest.mark.system  # it trains two versions
Contents = dict[str, bytes]
FACTS = ("manifest.json", "manifest.sha256")


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Iterator[bytes]:
    """The archive of version 2 of parcels, approved by a person and promoted."""
    with small_case(tmp_path_factory.mktemp("state")) as parcels:
        parcels.land("spring", parcel_rows(MARCH, days=40))
        parcels.ingest(APRIL + DAY)
        parcels.train(APRIL)
        parcels.promote()
        parcels.train(APRIL + DAY)
        check = {"gate": "size", "asked": "at most 1", "measured": "0", "verdict": "pass"}
        for what, key, evidence in (
            ("approval_asked", "approval_asked:2", {"gates": [check], "reason": "it passed"}),
            ("approved", "approval:2", {"reason": "I read the card – Zoë"}),
        ):
            open_ledger().record(Entry("parcels", what, key, APRIL + DAY, "Zoë", 2, evidence))
        parcels.promote(2)
        yield build_audit_archive("parcels", 2, APRIL + DAY)
        written = parcels.folder / "audit" / "two.zip"
        result = CliRunner().invoke(
            app, ["audit", "parcels", "--version", "2", "--out", str(written)]
        )
        assert result.exit_code == 0, result.output
        assert read_archive_digest(written.read_bytes()) in result.output
        assert verified(written)


def verified(place: Path) -> bool:
    return all(is_sound for is_sound, _ in verify_archive.verify(place))


def list_wrong(place: Path) -> str:
    return "\n".join(text for is_sound, text in verify_archive.verify(place) if not is_sound)


def unpack(archive: bytes) -> Contents:
    with ZipFile(BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def repack(contents: Contents) -> bytes:
    """An archive of changed contents that agrees with its own manifest."""
    facts = json.loads(contents["manifest.json"])
    del facts["files"]
    return pack_archive({k: v for k, v in contents.items() if k not in FACTS}, facts)


def run_alone(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python without any installed package, and without the environment."""
    command = [sys.executable, "-I", "-S", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env={}, cwd="/")


def test_archive_verifies_itself_with_python_alone(archive, tmp_path):
    (tmp_path / "two.zip").write_bytes(archive)
    result = run_alone(tmp_path / "two.zip")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    assert "WRONG" not in result.stdout
    assert f"approved, {(APRIL + DAY).isoformat()} by Zo" in result.stdout
    assert ": I read the card" in result.stdout
    assert "checks of the gate: 1 pass" in result.stdout
    assert read_archive_digest(archive) in result.stdout
    assert result.stdout.endswith("The archive is verified.\n")


def test_unpacked_archive_verifies_itself(archive, tmp_path):
    with ZipFile(BytesIO(archive)) as opened:
        opened.extractall(tmp_path / "two")
    result = run_alone(tmp_path / "two")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "__pycache__/__main__" in list_wrong(tmp_path / "two")  # which Python left there
    (tmp_path / "two" / "model" / "note.txt").write_text("added")
    result = run_alone(tmp_path / "two" / "__main__.py")
    assert result.returncode == 1
    assert "model/note.txt: it was added" in result.stdout


def test_archive_is_equal_for_equal_state(archive):
    assert repack(unpack(archive)) == archive


def test_archive_holds_what_an_auditor_asks_for(archive):
    contents = unpack(archive)
    card = json.loads(contents["model/card.json"])
    assert set(json.loads(contents["data.json"])) == set(card["table_versions"])
    assert all(table["commit_sha256"] for table in json.loads(contents["data.json"]).values())
    decisions = json.loads(contents["decisions.json"])
    assert [each["what"] for each in decisions] == ["approval_asked", "approved", "promoted"]
    packages = {each["name"] for each in json.loads(contents["sbom.json"])["components"]}
    assert {"numpy", "onnxruntime", "mlflow"} <= packages
    golden = [json.loads(line) for line in contents["golden.jsonl"].splitlines()]
    assert golden
    assert "Story" in contents["card.md"].decode()


def test_digest_of_the_author_is_compared(archive, tmp_path):
    place, digest = tmp_path / "two.zip", read_archive_digest(archive)
    place.write_bytes(archive)
    assert all(is_sound for is_sound, _ in verify_archive.verify(place, digest.upper()))
    assert run_alone(place, "--digest", "0" * 64).returncode == 1


@pytest.mark.parametrize("seed", range(3))
def test_any_changed_byte_is_noticed(archive, tmp_path, seed):
    place, chance = tmp_path / "two.zip", random.Random(seed)
    ends = [0, len(archive) - 1, len(archive) - 64, len(archive) - 65, len(archive) - 86]
    for position in [*ends, *(chance.randrange(len(archive)) for _ in range(60))]:
        changed = bytearray(archive)
        changed[position] ^= 1 << chance.randrange(8)
        place.write_bytes(changed)
        assert list_wrong(place), position


@pytest.mark.parametrize(
    "change",
    [
        lambda archive: archive + b"\0",
        lambda archive: b"\0" + archive,
        lambda archive: archive[:-1],
        lambda archive: archive[1:],
        lambda archive: archive[: len(archive) // 2],
        lambda archive: archive + archive,
        lambda archive: archive[:2],
        lambda archive: archive.replace(b"PK", b"KP"),
    ],
)
def test_cut_or_longer_archives_are_noticed(archive, tmp_path, change):
    (tmp_path / "two.zip").write_bytes(change(archive))
    assert list_wrong(tmp_path / "two.zip")
    assert run_alone(tmp_path / "two.zip").returncode == 1


def test_empty_archive_is_noticed(tmp_path):
    (tmp_path / "two.zip").write_bytes(b"")
    assert list_wrong(tmp_path / "two.zip")


def test_each_changed_missing_or_added_file_is_named(archive, tmp_path):
    contents = unpack(archive)
    for name, content in contents.items():
        folder = tmp_path / name.replace("/", "-")
        for other, its_content in contents.items():
            (folder / other).parent.mkdir(parents=True, exist_ok=True)
            (folder / other).write_bytes(its_content)
        (folder / name).write_bytes(content + b" ")
        assert name in list_wrong(folder)
        (folder / name).unlink()
        assert name in list_wrong(folder)
        (folder / name).write_bytes(content)
        (folder / f"{name}.more").write_bytes(b"")
        assert f"{name}.more: it was added" in list_wrong(folder)


def change_json(name: str, edit: Callable[[Any], None]) -> Callable[[Contents], None]:
    def change(contents: Contents) -> None:
        value = json.loads(contents[name])
        edit(value)
        contents[name] = json.dumps(value).encode()

    return change


def change_ledger(edit: Callable[[list[dict[str, Any]]], None], *, signed: bool) -> Any:
    """Edit the entries; `signed` gives each one the digest of what it is then."""

    def change(contents: Contents) -> None:
        entries = [json.loads(line) for line in contents["ledger.jsonl"].splitlines()]
        edit(entries)
        for entry in entries if signed else ():
            own = {name: value for name, value in entry.items() if name != "digest"}
            entry["digest"] = digest_entry(Entry(**own))
        contents["ledger.jsonl"] = b"".join(json.dumps(e).encode() + b"\n" for e in entries)

    return change


def last(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return entries[-1]


TAMPERED = {
    "another gate verdict": change_json(
        "decisions.json", lambda d: d[0]["checks"][0].update(verdict="fail")
    ),
    "a decision left out": change_json("decisions.json", lambda d: d.pop(1)),
    "another approver": change_json("decisions.json", lambda d: d[1].update(actor="Max")),
    "another reason": change_json("decisions.json", lambda d: d[1].update(reason="")),
    "another table version": change_json(
        "data.json", lambda tables: next(iter(tables.values())).update(version=99)
    ),
    "a table left out": change_json("data.json", lambda tables: tables.popitem()),
    "the SBOM of another model": change_json(
        "sbom.json", lambda s: s["metadata"]["component"]["hashes"][0].update(content="0" * 64)
    ),
    "no SBOM": change_json("sbom.json", lambda s: s.clear()),
    "another card": change_json("model/card.json", lambda card: card["holdout"].clear()),
    "the card of another use case": change_json(
        "model/card.json", lambda card: card.update(use_case="other")
    ),
    "another model": lambda c: c.update({"model/model.onnx": c["model/model.onnx"] + b"\0"}),
    "other golden rows": lambda c: c.update({"model/golden.parquet": b"PAR1"}),
    "an edited entry": change_ledger(lambda e: last(e).update(actor="Max"), signed=False),
    "an edited reason": change_ledger(
        lambda e: last(e)["evidence"].update(reason="better"), signed=True
    ),
    "an entry left out": change_ledger(lambda e: e.pop(1), signed=True),
    "an entry added": change_ledger(lambda e: e.append(dict(e[0])), signed=True),
    "entries in another order": change_ledger(lambda e: e.reverse(), signed=True),
    "an entry of another model": change_ledger(lambda e: e[0].update(model="x"), signed=True),
    "a key twice": change_ledger(lambda e: e[1].update(key=e[0]["key"]), signed=True),
    "a reference to nothing": change_ledger(
        lambda e: e[0]["evidence"].update(alert="alert:gone"), signed=True
    ),
    "other digests of the files": change_ledger(
        lambda e: [x["evidence"].update(files={"onnx": "0" * 64}) for x in e], signed=True
    ),
    "no digests of the files": change_ledger(
        lambda e: [(x["evidence"].pop("files", 0), x["evidence"].pop("digest", 0)) for x in e],
        signed=True,
    ),
    "no ledger": lambda c: c.update({"ledger.jsonl": b""}),
    "no lines of the ledger": lambda c: c.update({"ledger.jsonl": b"[]\n"}),
    "deep JSON": lambda c: c.update({"decisions.json": b"[" * 5000}),
    "a list for a card": lambda c: c.update({"model/card.json": b"[1]"}),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_files_that_do_not_agree_are_noticed_also_with_new_digests(archive, tmp_path, name):
    contents = unpack(archive)
    TAMPERED[name](contents)
    (tmp_path / "two.zip").write_bytes(repack(contents))
    assert list_wrong(tmp_path / "two.zip")


def test_files_of_the_archive_are_the_registered_ones(archive):
    entries = [json.loads(line) for line in unpack(archive)["ledger.jsonl"].splitlines()]
    registered = next(
        e for e in entries if (e["what"], e["version"]) == ("candidate_registered", 2)
    )
    listed = json.loads(unpack(archive)["manifest.json"])["files"]
    assert listed["model/model.onnx"]["sha256"] == registered["evidence"]["files"]["onnx"]
