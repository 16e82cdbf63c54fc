"""Worker that parses landed files in forks: `python -m tasks.ingestion.parsing.parse_worker`.

A library may abort or fill the memory on a hostile file. So each file is parsed in a fork with a
limit of memory and of time, and only that fork ends. The worker itself uses no library, so its
forks share no threads; it ends when its standard input ends.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import polars as pl

from configs.errors import RefusedBatch
from configs.schema.data import Table
from tasks.ingestion.parsing.file_schema import parse_file


@dataclass(frozen=True)
class ParseJob:
    """A local file to parse; `name` is for messages, `table` the JSON of its table.

    The rows are written to `rows` (Arrow IPC), the result to `result`. `memory` is in bytes.
    """

    source: str
    name: str
    table: str
    rows: str
    result: str
    memory: int
    seconds: int


@dataclass(frozen=True)
class ParseResult:
    """The sha256 of the content that was read; why the file is refused; errors of the disk."""

    fingerprint: str = ""
    refused: str = ""
    errno: int = 0


def main() -> None:
    """Parse the files of the jobs on standard input; answer each with its fork's exit code."""
    for line in sys.stdin:
        job = ParseJob(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            _parse_and_exit(job)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _parse_and_exit(job: ParseJob) -> NoReturn:
    signal.alarm(job.seconds)  # ends this process, also inside a library
    _limit_memory(job.memory)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # panics print their stack
    try:
        result = parse_local_file(job)
    except MemoryError:
        os._exit(os.EX_UNAVAILABLE)
    Path(job.result).write_text(json.dumps(asdict(result)))
    os._exit(os.EX_OK)


def parse_local_file(job: ParseJob) -> ParseResult:
    """Parse a file and write its typed rows; return the digest of what was read."""
    try:
        content = Path(job.source).read_bytes()
    except OSError as error:
        return ParseResult(refused=f"{job.name}: not readable: {error.strerror}; allow access")
    fingerprint = sha256(content).hexdigest()
    try:
        rows = parse_file(content, job.name, Table.model_validate_json(job.table))
        rows.write_ipc(job.rows)
    except RefusedBatch as error:
        return ParseResult(fingerprint, refused=str(error))
    except OSError as error:
        return ParseResult(fingerprint, errno=error.errno or 0, refused=str(error))
    except MemoryError:
        raise
    # any other error is the file's: a panic of polars derives from BaseException
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001
        reason = f"{job.name}: not readable ({type(error).__name__}: {str(error)[:200]})"
        return ParseResult(fingerprint, refused=f"{reason}; land it again")
    return ParseResult(fingerprint)


def _limit_memory(extra: int) -> None:
    """Limit the address space to what this process has, and some more."""
    statm = Path("/proc/self/statm")
    used = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 0
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = used + extra if hard == resource.RLIM_INFINITY else min(used + extra, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
