"""The old ledger, as entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.ledger.log import Entry, Ledger
from tests.support.old_ledger import write_old_ledger


@pytest.fixture
def old_entries(tmp_path: Path) -> list[Entry]:
    """All entries of the old ledger."""
    return Ledger(write_old_ledger(tmp_path / "old.db")).entries()
