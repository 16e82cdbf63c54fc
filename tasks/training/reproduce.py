"""A registered version made again from what its card recorded, and whether it answers the same.

Nothing real is touched: the training runs in a process whose lake is the real one, pinned at the
recorded table versions and read only, and whose other state is a temporary folder.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from configs.errors import BadModel
from configs.schema.use_case import UseCase
from configs.settings import ROOT, settings
from tasks.evaluation.prediction_columns import to_prediction_array
from tasks.evaluation.problem_types import Threshold, recorded_problem_type
from tasks.models.card import ModelCard
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import open_onnx_session, run_onnx
from tasks.models.registry import GOLDEN_ONNX, Model, open_model
from tasks.storage import files
from tasks.training.build_card import code_revision, package_versions
from tasks.training.reproduce_worker import STEP_PREFIX, RetrainResult

ReportStep = Callable[[str], None]
SAME_PREDICTION = 1e-6  # the order of threads moves a sum in its last bits
_DIRTY = "-dirty"
_WORKERS = ("tasks/training/reproduce_worker.py", "tasks/retrace.py")
"""Where the worker program is: now, and in revisions from before it moved."""
_LAST_LINES = 12


@dataclass(frozen=True)
class Reproduction:
    """How a second training compares on the golden rows of the version.

    `difference` is how far apart the answers are, as parity counts it, `flipped` how many decisions
    differ, each model deciding by its own threshold; `notes` say what was not as recorded.
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
        """Whether both answer alike: the same rows seen, answers, threshold, decisions."""
        alike = self.difference <= SAME_PREDICTION and self.same_threshold
        return alike and not self.flipped and self.rows[0] == self.rows[1]

    @property
    def same_threshold(self) -> bool:
        """Whether both decide by the same threshold, if by any."""
        recorded, again = self.threshold
        if recorded is None or again is None:
            return recorded is again
        return bool(np.allclose(recorded, again, rtol=0, atol=SAME_PREDICTION))

    @property
    def same_file(self) -> bool:
        """Whether the ONNX files are the same, byte for byte."""
        return self.digest[0] == self.digest[1]


def as_dict(found: Reproduction) -> dict[str, Any]:
    """A reproduction as JSON takes it, with its verdicts."""
    return {"equal": found.equal, "same_file": found.same_file, **asdict(found)}


def reproduce_version(use_case: UseCase, version: int, tell: ReportStep) -> Reproduction:
    """Train a version again and compare; `tell` is told of each step.

    BadModel if there is no such version, or if what was recorded cannot be trained any more.
    """
    model = open_model(use_case.name, version)
    with TemporaryDirectory(prefix="mainspring-reproduce-") as place:
        folder = Path(place)
        tell(f"code of {model.card.revision}")
        code, notes = code_at_revision(model.card, folder / "code")
        onnx, result = _train_again(model, folder, code, tell)
    tell("compare the answers")
    return compare_reproduction(
        model, onnx, result, str(code), (*notes, *_other_packages(model.card))
    )


def compare_reproduction(
    model: Model, onnx: bytes, result: RetrainResult, code: str, notes: tuple[str, ...]
) -> Reproduction:
    """Both models on the golden rows that are kept with the version."""
    card, golden = model.card, model.golden
    recorded = to_prediction_array(golden[GOLDEN_ONNX])
    again = run_onnx(open_onnx_session(onnx), build_matrix(golden, result.inputs))
    kind = recorded_problem_type(card)
    flipped = kind.count_flipped_decisions(recorded, card.threshold, again, result.threshold)
    return Reproduction(
        version=model.version,
        golden=golden.height,
        difference=kind.max_difference(again, recorded),
        flipped=flipped,
        threshold=(card.threshold, result.threshold),
        rows=(card.rows, result.rows),
        digest=(card.digest, sha256(onnx).hexdigest()),
        code=code,
        notes=notes,
    )


def code_at_revision(card: ModelCard, folder: Path) -> tuple[Path, list[str]]:
    """Where the code of the card's revision is: here, or taken out of git into `folder`; and what
    is not as it was.
    """
    here, wanted = code_revision(), card.revision
    commit = wanted.removesuffix(_DIRTY)
    notes = []
    if wanted.endswith(_DIRTY):
        notes.append(f"it was trained with changes to {commit[:12]} that were never committed")
    if wanted == here:
        return ROOT, notes
    if _git_has(commit):
        _take_out(commit, folder)
        return folder, notes
    notes.append(
        f"its code, {wanted}, is not in git here, or is of before `reproduce`: it was trained "
        f"again by the code that is here, {here}"
    )
    return ROOT, notes


def _git_has(commit: str) -> bool:
    command = ["git", "-C", str(ROOT), "ls-tree", "--name-only", commit, *_WORKERS]
    try:
        return bool(subprocess.run(command, capture_output=True, check=False).stdout)
    except OSError:
        return False


def _worker_module(code: Path) -> str:
    """The worker program of a revision, as `python -m` names it."""
    found = next(path for path in _WORKERS if (code / path).exists())
    return found.removesuffix(".py").replace("/", ".")


def _take_out(commit: str, folder: Path) -> None:
    """The files of a commit. Not a git worktree: a killed run would leave it registered."""
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", commit]
    packed = subprocess.run(command, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def _train_again(
    model: Model, folder: Path, code: Path, tell: ReportStep
) -> tuple[bytes, RetrainResult]:
    card = model.card
    # what older code wrote is what older code reads: fields that came later are left out
    (folder / "card.json").write_text(card.model_dump_json(exclude_unset=True))
    with (folder / "errors").open("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", _worker_module(code), str(folder)],
            env=_surroundings(card, folder, code), cwd=folder,
            stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
        with process as running:
            for line in running.stdout or ():
                if line.startswith(STEP_PREFIX):
                    tell(line.removeprefix(STEP_PREFIX).strip())
        errors.seek(0)
        if process.returncode:
            said = "".join(errors.readlines()[-_LAST_LINES:]).strip()
            who = f"{card.use_case} version {model.version}"
            raise BadModel(f"{who} cannot be trained again as it was recorded:\n{said}")
    result = RetrainResult.model_validate_json((folder / "result.json").read_bytes())
    return (folder / "model.onnx").read_bytes(), result


def _surroundings(card: ModelCard, folder: Path, code: Path) -> dict[str, str]:
    """The environment of the training: the lake pinned, everything else below the folder."""
    pinned = {f"{card.use_case}/{table}": at for table, at in card.table_versions.items()}
    return {
        **{n: value for n, value in os.environ.items() if not n.startswith("MAINSPRING_")},
        "PYTHONPATH": str(code),
        "MAINSPRING_STATE": str(folder / "state"),
        "MAINSPRING_USE_CASES": str(settings().use_cases.resolve()),
        "MAINSPRING_PINNED_LAKE": files.to_absolute(settings().lake),
        "MAINSPRING_PINNED": json.dumps(pinned),
    }


def _other_packages(card: ModelCard) -> list[str]:
    now = package_versions()
    return [
        f"{name} was {then} and is {now.get(name, 'not installed')}"
        for name, then in card.environment.items()
        if now.get(name) != then
    ]
