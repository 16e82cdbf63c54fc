"""Parsing of a landed file in a child process, whose memory and time have a limit.

A file that ends its child is refused by name; the other files of the run are not affected.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

import polars as pl

from configs.errors import Transient
from configs.schema.data import Table
from configs.settings import ROOT, settings
from tasks.ingestion.parsing.parse_worker import ParseJob, ParseResult

_LOCK = Lock()
_THREADS = {"POLARS_MAX_THREADS": "2", "MALLOC_ARENA_MAX": "2", "RUST_BACKTRACE": "0"}
"""Environment of the worker: every thread takes address space from the limit."""


@dataclass(frozen=True)
class ParsedFile:
    """The sha256 of the content that was read, and its typed rows or why it is refused.

    The digest is empty if the file could not be read to its end.
    """

    fingerprint: str
    rows: pl.DataFrame | None
    refused: str = ""


def parse_in_child(source: Path, name: str, table: Table) -> ParsedFile:
    """Parse a local file; it is refused if it is invalid or exceeds the limits.

    Args:
        source: where the file is.
        name: its path for messages; the ending says its format.
        table: its table.
    """
    limits = settings()
    with TemporaryDirectory() as folder:
        job = ParseJob(
            source=str(source),
            name=name,
            table=table.model_dump_json(by_alias=True, exclude_unset=True),
            rows=f"{folder}/rows.arrow",
            result=f"{folder}/result.json",
            memory=limits.file_memory_mb << 20,
            seconds=limits.file_seconds,
        )
        code = _run(job)
        if code != os.EX_OK:
            return ParsedFile("", None, f"{name}: {_explain_exit(code)}")
        result = ParseResult(**json.loads(Path(job.result).read_text()))
        if result.errno:
            raise Transient(f"{name}: its rows cannot be written: {result.refused}; try again")
        rows = None if result.refused else pl.read_ipc(job.rows)
        return ParsedFile(result.fingerprint, rows, result.refused)


def _run(job: ParseJob) -> int:
    """Let the worker run a job; return the exit code of its fork."""
    with _LOCK:
        worker = _start_worker(os.getpid())
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            worker.stdin.write(json.dumps(asdict(job)) + "\n")
            worker.stdin.flush()
            return int(worker.stdout.readline())
        except (OSError, ValueError) as error:  # the worker was ended from outside
            _start_worker.cache_clear()
            raise Transient("the process that parses landed files ended; try again") from error


@cache
def _start_worker(_process: int) -> subprocess.Popen[str]:
    """Start the worker of this process, a fork of which needs its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tasks.ingestion.parsing.parse_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **_THREADS},
    )


def _explain_exit(code: int) -> str:
    limits = settings()
    if code == -signal.SIGALRM:
        return (
            f"it was not read in {limits.file_seconds} s; land smaller files, or set "
            "MAINSPRING_FILE_SECONDS"
        )
    ending = "" if code == os.EX_UNAVAILABLE else f" (the reading process ended with {code})"
    return (
        f"it needs more memory than {limits.file_memory_mb} MB, or is damaged{ending}; land "
        "smaller files, or set MAINSPRING_FILE_MEMORY_MB"
    )
