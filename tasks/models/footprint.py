"""Footprint of an ONNX file: latency, throughput, size, memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tasks.models.matrix import Matrix
from tasks.models.onnx_session import find_output_name, open_onnx_session, run_onnx


class Footprint(BaseModel):
    """Cost of running a model, measured with one thread on the exporting machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int = Field(description="size of the ONNX file")
    latency_p50_us: float = Field(description="one row, ONNX Runtime alone")
    latency_p99_us: float
    rows_per_second: float = Field(description="in one batch of at most 65,536 rows")
    peak_memory_mib: float = Field(
        description="peak resident memory of a new Python process that opens the file and "
        "scores that batch"
    )


def measure_footprint(onnx: bytes, matrix: Matrix) -> Footprint:
    """Measure size, speed and memory of a model on these rows; takes about a second."""
    session = open_onnx_session(onnx)
    output, calls = find_output_name(session), []
    for row in range(500):
        one = matrix[row % len(matrix)][None, :]
        started = perf_counter()
        session.run([output], {"inputs": one})
        calls.append(perf_counter() - started)
    started = perf_counter()
    run_onnx(session, matrix)
    seconds = perf_counter() - started
    return Footprint(
        bytes=len(onnx),
        latency_p50_us=float(np.quantile(calls, 0.5) * 1e6),
        latency_p99_us=float(np.quantile(calls, 0.99) * 1e6),
        rows_per_second=len(matrix) / seconds,
        peak_memory_mib=_peak_memory(onnx, output, matrix),
    )


# VmHWM is the peak of the process itself; ru_maxrss includes its parent's memory at the fork.
_SCORE_ALONE = """
import resource, sys
from pathlib import Path
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
session.run([sys.argv[2]], {"inputs": numpy.load(sys.argv[3])})
status = Path("/proc/self/status")
if status.exists():
    print(next(line.split()[1] for line in status.open() if line.startswith("VmHWM")))
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def _peak_memory(onnx: bytes, output: str, matrix: Matrix) -> float:
    """Return the peak memory, in MiB, of a new process that scores the matrix."""
    with tempfile.TemporaryDirectory() as folder:
        model, rows = Path(folder, "model.onnx"), Path(folder, "rows.npy")
        model.write_bytes(onnx)
        np.save(rows, matrix, allow_pickle=False)
        command = [sys.executable, "-c", _SCORE_ALONE, str(model), output, str(rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024
