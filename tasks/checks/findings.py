"""Findings of the checks of a use case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FindingVerdict = Literal["ok", "skipped", "wrong"]


@dataclass(frozen=True)
class Finding:
    """The result of one check: its subject, its verdict, and the evidence or what to change."""

    subject: str
    verdict: FindingVerdict
    detail: str = ""
