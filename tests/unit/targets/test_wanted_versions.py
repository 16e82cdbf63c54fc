"""What a target must serve, by the ledger: champion, and challenger with a share."""

from __future__ import annotations

from datetime import timedelta

import pytest

from configs.errors import NoChampion
from tasks.ledger.log import Entry
from tasks.targets.wanted_versions import find_wanted_versions
from tests.support.ledger_entries import START, numbered

DAY = timedelta(days=1)
SHARE = {"kind": "canary", "shares": [0.2], "unit": ["id"], "stage": 0, "share": 0.2}


def digested(what, key: str, version: int, day: int, **evidence: object) -> Entry:
    return Entry("m", what, key, START + day * DAY, "t", version, evidence)


def test_without_a_champion_targets_keep_what_they_serve() -> None:
    with pytest.raises(NoChampion, match="no champion at 2013-04-01 00:00; targets keep"):
        find_wanted_versions([], START)


def test_a_version_without_digest_is_not_served() -> None:
    entries = numbered(Entry("m", "promoted", "decision:1", START, "t", 1))
    with pytest.raises(NoChampion, match="no digest of version 1"):
        find_wanted_versions(entries, START + DAY)
