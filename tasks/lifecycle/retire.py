"""Retirement of a use case: its YAML file is put away, its ledger and its rows stay."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from configs.errors import BadConfig
from configs.settings import settings
from infra.fault_injection import effect
from tasks.ledger.entries import make_retired
from tasks.ledger.log import Entry, Ledger


def retire_use_case(book: Ledger, name: str, at: datetime, by: str, reason: str) -> Entry:
    """Record that a use case ends and rename its YAML file; return the entry, old or new.

    The file may be invalid. A second call returns the first entry. BadConfig if there is no YAML
    file of the name, and no entry.

    Args:
        book: the ledger
        name: the use case
        at: moment of the retirement
        by: the person
        reason: why
    """
    path = settings().use_cases / f"{name}.yaml"
    if path.exists():
        entry, _ = book.record(make_retired(name, at, by, reason))
        with effect("rename the YAML file"):
            path.replace(retired_file(name))
        return entry
    retired = [e for e in book.entries(name) if e.what == "retired"]
    if not retired:
        raise BadConfig(f"{path}: use case not found, so there is nothing to retire")
    return retired[-1]


def retired_file(name: str) -> Path:
    """Return the path of a use case's YAML file after its retirement."""
    return settings().use_cases / f"{name}.yaml.retired"
