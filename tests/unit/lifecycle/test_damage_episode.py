"""The damage episode: opened once, open while files are damaged, closed when none is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tasks.ledger.entries import make_episode_opened
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.ledger.log import Entry
from tasks.ledger.state import fold_ledger
from tasks.lifecycle.damage_episode import find_damage_change
from tasks.monitoring.retrain_alerts import find_due_alert
from tests.support.ledger_entries import START, numbered

DAY = timedelta(days=1)
LOST = "raw/trips/0.parquet is damaged: its sha256 is another; restore the file from a backup"


def verify_nights(*nights: list[str]) -> list[Entry]:
    """Return the entries after a verification a night, each of which finds some damages."""
    entries: list[Entry] = []
    for night, lost in enumerate(nights):
        change = find_damage_change("m", fold_ledger(entries), lost, START + night * DAY)
        entries = numbered(*entries, *([change] if change else []))
    return entries


@pytest.mark.parametrize(
    ("nights", "kinds"),
    [
        ([[]], []),
        ([[LOST]], ["episode_opened"]),
        ([[LOST], [LOST, LOST]], ["episode_opened"]),
        ([[LOST], []], ["episode_opened", "episode_closed"]),
        ([[LOST], [], []], ["episode_opened", "episode_closed"]),
        ([[LOST], [], [LOST]], ["episode_opened", "episode_closed", "episode_opened"]),
    ],
)
def test_episode_lasts_while_files_are_damaged(nights: list[list[str]], kinds: list[str]) -> None:
    assert [entry.what for entry in verify_nights(*nights)] == kinds


def test_two_episodes_of_one_day_have_two_keys() -> None:
    first = find_damage_change("m", fold_ledger([]), [LOST], START)
    later = find_damage_change("m", fold_ledger([]), [LOST], START + timedelta(hours=1))
    assert first is not None
    assert later is not None
    assert first.key != later.key


def test_message_names_the_first_damages_and_counts_the_rest() -> None:
    (opened,) = verify_nights([f"file {number} is damaged" for number in range(5)])
    shown = read_evidence(opened, EpisodeOpened)
    assert shown.severity == "page"
    assert "file 2 is damaged; and 2 more; see `mainspring verify`" in shown.message


def test_damage_blocks_retraining() -> None:
    worse = EpisodeOpened(
        cause="performance:roc_auc", kind="performance", severity="page", message="worse"
    )
    asking = make_episode_opened("m", 1, START, "monitor", worse)
    due = find_due_alert(fold_ledger(numbered(asking)), START, DAY)
    assert due is not None
    damaged = fold_ledger(numbered(asking, *verify_nights([LOST])))
    assert find_due_alert(damaged, START, DAY) is None
