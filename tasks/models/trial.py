"""Trial of a version that the ledger does not know, in a process with bounded memory and time.

python -m tasks.models.trial FOLDER COMPANIONS NAME opens the files and predicts a full batch. A
file that was not exported here may need any amount of memory or time.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

from configs.errors import BadModel, MainspringError
from configs.settings import ROOT

_MEMORY_BYTES = 6 * 2**30  # of address space: libraries reserve about 2 GiB of it
_SECONDS = 60  # of CPU time
_PATIENCE = 300  # seconds, on a busy machine
_REFUSED = 3  # exit code of a trial that says why in one sentence


def try_version(folder: Path, name: str, companions: str) -> None:
    """Open the files of a version in another process; raise BadModel if that fails.

    Args:
        folder: where the ONNX file is.
        name: the version, for error messages.
        companions: the folder of card and golden rows, relative to `folder`.
    """
    command = [sys.executable, "-m", __name__, str(folder), companions, name]
    # no credentials: the file may be hostile
    threads = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), **threads}
    try:
        done = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True,
            timeout=_PATIENCE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        raise BadModel(f"{name}: the trial did not end within {_PATIENCE} s") from late
    if done.returncode == _REFUSED:
        raise BadModel(done.stderr.strip())
    if done.returncode:
        last = (done.stderr.strip() or "killed").splitlines()[-1]
        raise BadModel(
            f"{name}: the trial needs more than {_SECONDS} s or {_MEMORY_BYTES // 2**30} GiB, or "
            f"ended with code {done.returncode}: {last}"
        )


def run_trial(folder: Path, companions: str, name: str) -> None:
    """Open the files of a version and predict a full batch, within the limits."""
    import numpy as np

    from tasks.models.artifact import read_version_files
    from tasks.models.file_integrity import open_version_files
    from tasks.models.matrix import build_matrix
    from tasks.models.onnx_session import ONNX_BATCH_ROWS, run_onnx

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    artifact, session = open_version_files(read_version_files(folder, name, companions), name)
    golden = build_matrix(artifact.golden, artifact.card.inputs)
    run_onnx(session, np.resize(golden, (ONNX_BATCH_ROWS, golden.shape[1])))


if __name__ == "__main__":
    try:
        run_trial(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
    except MainspringError as error:
        print(error, file=sys.stderr)
        sys.exit(_REFUSED)
