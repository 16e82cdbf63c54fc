"""What a check of a use case finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FindingVerdict = Literal["ok", "skipped", "wrong"]


@dataclass(frozen=True)
class Finding:
    """What was checked, its verdict, and what was found or how to mend it."""

    what: str
    verdict: FindingVerdict
    detail: str = ""
