"""A disk that takes no more: what libraries say of it in many ways, told in one.

Nothing half-written is ever used (commits are atomic, versions are the last thing written), so
what is left to do is to say which folder it is, and to run again when there is room.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EDQUOT, ENOSPC, EPERM, EROFS
from pathlib import Path

from configs.errors import CannotWrite, MainspringError

FULL, CLOSED = "is full: make room", "cannot be written: let it be written again"
_BY_NUMBER = {ENOSPC: FULL, EDQUOT: FULL, EROFS: CLOSED, EACCES: CLOSED, EPERM: CLOSED}
_BY_WORDS = {  # SQLite's, and of those that pass on only the text of an error
    r"disk is full|[Nn]o space left on device|[Dd]isk quota exceeded": FULL,
    r"readonly database|unable to open database file": CLOSED,
    r"Read-only file system|Permission denied": CLOSED,
}


@contextmanager
def writing(place: str | Path) -> Iterator[None]:
    """Wrap what writes below a place: CannotWrite names it where it is full or read-only.

    Every other error passes as it is.
    """
    try:
        yield
    except MainspringError:
        raise
    except Exception as failed:
        reason = refusal(failed)
        if reason is None:
            raise
        raise CannotWrite(
            f"{place} {reason}, and run again. What was committed before is whole"
        ) from failed


def refusal(failed: BaseException) -> str | None:
    """Why a disk took nothing more, if that is what an error, or one behind it, says."""
    seen: list[BaseException] = []
    error: BaseException | None = failed
    while error is not None and error not in seen:
        seen.append(error)
        if (reason := _says(error)) is not None:
            return reason
        error = error.__cause__ or error.__context__
    return None


def _says(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno in _BY_NUMBER:
        return _BY_NUMBER[error.errno]
    found = (reason for words, reason in _BY_WORDS.items() if re.search(words, str(error)))
    return next(found, None)
