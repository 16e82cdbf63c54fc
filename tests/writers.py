"""Processes that write to one ledger at once; forked from one that has imported what they need."""

from __future__ import annotations

from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier

from tasks.ledger import Entry, Ledger

START = datetime(2013, 4, 1, tzinfo=UTC)
EACH = 5


def write_at_once(url: str, writers: int) -> list[int]:
    """Let each of some processes record EACH alerts in a ledger; their exit codes."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.writers", "psycopg"])
    together = context.Barrier(writers)
    processes = [context.Process(target=_write, args=(url, i, together)) for i in range(writers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode or 0 for process in processes]


def _write(url: str, writer: int, together: Barrier) -> None:
    together.wait(60)
    for number in range(EACH):
        entry = Entry("m", "alert_raised", f"alert:{writer}:{number}", START, "test")
        Ledger(url).record(entry)
