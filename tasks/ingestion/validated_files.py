"""Landed files after validation: verdicts, and rows by table and file."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from tasks.ingestion.landing import FileVerdict


@dataclass(frozen=True)
class ValidatedFiles:
    """The verdicts on landed files; accepted and quarantined rows by table and fingerprint.

    `page` is the address of the validation page, `docs` that of the Data Docs.
    """

    verdicts: list[FileVerdict] = field(default_factory=list)
    accepted: dict[str, dict[str, pl.DataFrame]] = field(default_factory=dict)
    quarantined: dict[str, dict[str, pl.DataFrame]] = field(default_factory=dict)
    docs: str = ""
    page: str = ""
