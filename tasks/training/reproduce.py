"""Reproduction of a registered version from its card, compared on its golden rows.

Reproduction changes no state. The training process reads the real lake at the recorded table
versions. Its other state is a temporary folder.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from configs.errors import BadModel, Transient
from configs.schema.use_case import UseCase
from configs.settings import ROOT, settings
from tasks.evaluation.problem_types import Threshold, recorded_problem_type
from tasks.models.artifact import GOLDEN_ONNX, read_golden_predictions
from tasks.models.card import ModelCard
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import open_onnx_session, run_onnx
from tasks.models.registry import Model, open_model
from tasks.storage import files
from tasks.storage.lake import open_lake
from tasks.training.build_card import read_code_revision, read_package_versions
from tasks.training.pipeline import ReportStep
from tasks.training.reproduce_worker import STEP_PREFIX, RetrainResult

SAME_PREDICTION = 1e-6  # the order in which threads add changes the last bits of a sum
_DIRTY = "-dirty"
_WORKERS = ("tasks/training/reproduce_worker.py", "tasks/retrace.py")
"""Paths of the worker program: current, and in revisions before it moved."""
_ERROR_LINES = 12  # of the worker's output that an error quotes


@dataclass(frozen=True)
class Reproduction:
    """Comparison of a version with its reproduction on the golden rows.

    `difference` is the largest difference of the predictions, as parity counts it. `flipped` is the
    number of different decisions, each model with its own threshold. The pairs `threshold`, `rows`
    and `digest` hold the recorded value first. `notes` say what was not as recorded.
    """

    version: int
    golden: int
    difference: float
    flipped: int
    threshold: tuple[Threshold, Threshold]
    rows: tuple[dict[str, int], dict[str, int]]
    digest: tuple[str, str]
    code: str
    notes: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether training rows, predictions, threshold and decisions are the same."""
        alike = self.difference <= SAME_PREDICTION and self.same_threshold
        return alike and not self.flipped and self.rows[0] == self.rows[1]

    @property
    def same_threshold(self) -> bool:
        """Whether both have the same threshold, or none."""
        recorded, again = self.threshold
        if recorded is None or again is None:
            return recorded is again
        return bool(np.allclose(recorded, again, rtol=0, atol=SAME_PREDICTION))

    @property
    def same_file(self) -> bool:
        """Whether the ONNX files are equal byte for byte."""
        return self.digest[0] == self.digest[1]


def reproduction_to_dict(reproduction: Reproduction) -> dict[str, Any]:
    """Return a reproduction as a JSON object, with `equal` and `same_file`."""
    verdicts = {"equal": reproduction.equal, "same_file": reproduction.same_file}
    return {**verdicts, **asdict(reproduction)}


def reproduce_version(use_case: UseCase, version: int, report: ReportStep) -> Reproduction:
    """Train a version again and compare both models.

    Args:
        use_case: the use case of the version.
        version: the version to reproduce.
        report: called with the name of each step before it starts.

    Raises:
        BadModel: the version is not found, or cannot be trained again as recorded.
    """
    model = open_model(use_case.name, version)
    report("look for the recorded tables")
    _require_recorded_tables(model.card, version)
    with TemporaryDirectory(prefix="mainspring-reproduce-") as folder_name:
        folder = Path(folder_name)
        report(f"code of {model.card.revision}")
        code, notes = find_code_at_revision(model.card, folder / "code")
        onnx, result = _train_again(model, folder, code, report)
    report("compare the predictions")
    return compare_reproduction(
        model, onnx, result, str(code), (*notes, *_changed_packages(model.card))
    )


def _require_recorded_tables(card: ModelCard, version: int) -> None:
    """Raise BadModel if a recorded version of a table cannot be read in full."""
    lake = open_lake(card.use_case)
    for table, number in card.table_versions.items():
        try:
            rows = lake.scan(table, number)
            first = rows.collect_schema().names()[0]
            rows.select(pl.col(first).hash().max()).collect()  # reads a column of each file
        except Transient:
            raise
        except Exception as gone:  # polars, deltalake and the file system have their own errors
            reason = str(gone).strip().partition("\n")[0]
            raise BadModel(
                f"{card.use_case} version {version} cannot be trained again: version {number} of "
                f"{table} is no longer there. A vacuum may have removed its files; restore them "
                f"from a backup of {lake.uri(table)} ({reason})"
            ) from gone


def compare_reproduction(
    model: Model, onnx: bytes, result: RetrainResult, code: str, notes: tuple[str, ...]
) -> Reproduction:
    """Compare the recorded model and the new one on the golden rows of the version.

    Args:
        model: the registered version.
        onnx: the ONNX file of the second training.
        result: threshold, inputs and row counts of the second training.
        code: folder of the code that trained it.
        notes: differences from the recorded conditions.
    """
    card, golden = model.card, model.golden
    recorded = read_golden_predictions(golden, GOLDEN_ONNX)
    again = run_onnx(open_onnx_session(onnx), build_matrix(golden, result.inputs))
    problem_type = recorded_problem_type(card)
    flipped = problem_type.count_flipped_decisions(
        recorded, card.threshold, again, result.threshold
    )
    return Reproduction(
        version=model.version,
        golden=golden.height,
        difference=problem_type.max_difference(again, recorded),
        flipped=flipped,
        threshold=(card.threshold, result.threshold),
        rows=(card.rows, result.rows),
        digest=(card.digest, sha256(onnx).hexdigest()),
        code=code,
        notes=notes,
    )


def find_code_at_revision(card: ModelCard, folder: Path) -> tuple[Path, list[str]]:
    """Return the folder with the code of the card's revision, and notes on differences.

    The folder is this installation, or `folder` with the revision extracted from git.
    """
    current, recorded = read_code_revision(), card.revision
    commit = recorded.removesuffix(_DIRTY)
    notes = []
    if recorded.endswith(_DIRTY):
        notes.append(f"the version was trained with uncommitted changes to {commit[:12]}")
    if recorded == current:
        return ROOT, notes
    if _git_has_worker(commit):
        _extract_commit(commit, folder)
        return folder, notes
    notes.append(
        f"the recorded code {recorded} is not in git here, or is older than `reproduce`; the "
        f"current code {current} was used"
    )
    return ROOT, notes


def _git_has_worker(commit: str) -> bool:
    """Return whether git knows the commit, and the commit has a worker program."""
    command = ["git", "-C", str(ROOT), "ls-tree", "--name-only", commit, *_WORKERS]
    try:
        return bool(subprocess.run(command, capture_output=True, check=False).stdout)
    except OSError:
        return False


def _worker_module(code: Path) -> str:
    """Return the module name of the worker program in a revision."""
    worker = next(path for path in _WORKERS if (code / path).exists())
    return worker.removesuffix(".py").replace("/", ".")


def _extract_commit(commit: str, folder: Path) -> None:
    """Write the files of a commit into `folder`."""
    # not a git worktree: a killed run would leave it registered
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", commit]
    packed = subprocess.run(command, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def _train_again(
    model: Model, folder: Path, code: Path, report: ReportStep
) -> tuple[bytes, RetrainResult]:
    """Run the worker program of `code` in `folder`; return its ONNX file and result."""
    card = model.card
    # an older worker rejects fields that came later, so only recorded fields are written
    (folder / "card.json").write_text(card.model_dump_json(exclude_unset=True))
    with (folder / "errors").open("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", _worker_module(code), str(folder)],
            env=_worker_environment(card, folder, code), cwd=folder,
            stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
        with process as running:
            for line in running.stdout or ():
                if line.startswith(STEP_PREFIX):
                    report(line.removeprefix(STEP_PREFIX).strip())
        errors.seek(0)
        if process.returncode:
            message = "".join(errors.readlines()[-_ERROR_LINES:]).strip()
            raise BadModel(
                f"{card.use_case} version {model.version} cannot be trained again as recorded:\n"
                f"{message}"
            )
    result = RetrainResult.model_validate_json((folder / "result.json").read_bytes())
    return (folder / "model.onnx").read_bytes(), result


def _worker_environment(card: ModelCard, folder: Path, code: Path) -> dict[str, str]:
    """Return the worker's environment: the lake pinned, all other state below `folder`."""
    pinned = {f"{card.use_case}/{table}": version for table, version in card.table_versions.items()}
    return {
        **{n: value for n, value in os.environ.items() if not n.startswith("MAINSPRING_")},
        "PYTHONPATH": str(code),
        "MAINSPRING_STATE": str(folder / "state"),
        "MAINSPRING_USE_CASES": str(settings().use_cases.resolve()),
        "MAINSPRING_PINNED_LAKE": files.to_absolute(settings().lake),
        "MAINSPRING_PINNED": json.dumps(pinned),
    }


def _changed_packages(card: ModelCard) -> list[str]:
    """Return a note for each package whose version differs from the recorded one."""
    current = read_package_versions(card.candidate)
    return [
        f"{name} was {recorded} and is {current.get(name, 'not installed')}"
        for name, recorded in card.environment.items()
        if current.get(name) != recorded
    ]
