"""Recovery of a champion whose files are lost or are another model's.

Versions that MLflow lost are registered again, if its artifact store has files with the digests of
the ledger. Otherwise the newest earlier champion whose files match becomes champion again. Without
one there is no champion, and the gate judges the next candidate as the first one. Candidates that
are lost are refused. Only the ledger and the registry are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from configs.errors import BadModel
from configs.schema.use_case import UseCase
from infra.fault_injection import effect
from tasks.ledger.entries import make_recovered, make_refused
from tasks.ledger.evidence import Recovered, Refused
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.projections import find_file_digests
from tasks.ledger.state import LedgerState, read_ledger_state
from tasks.lifecycle.lost_versions import restore_lost_versions
from tasks.models.registry import open_model
from tasks.rollout.prediction_log import PREDICTIONS
from tasks.storage.lake import open_lake

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Recovery:
    """What a recovery found and recorded.

    `lost` holds the reason by version; `entry` is the recorded recovery, None if the champion is
    intact or there is none; `refused` are the entries of lost candidates. The versions `restored`
    were registered again.
    """

    champion: int | None
    lost: dict[int, str]
    entry: Entry | None
    refused: tuple[Entry, ...]
    restored: tuple[int, ...] = ()


def recover_champion(
    book: Ledger, use_case: UseCase, as_of: datetime | None, now: datetime, by: str
) -> Recovery:
    """Replace a champion that cannot be opened, refuse lost candidates, and return what was done.

    Versions that MLflow lost are first registered again, if their files are still there.
    Idempotent: without a lost version nothing is recorded. Transient errors of MLflow are raised,
    and are no loss. Conflict if the ledger changed in the meantime.

    Args:
        book: the ledger
        use_case: the use case
        as_of: moment from which the other version is champion; by default after the last prediction
            of the lost one
        now: the current time
        by: the person
    """
    restored = restore_lost_versions(use_case.name, read_ledger_state(book, use_case.name))
    lost: dict[int, str] = {}
    refused = tuple(_refuse_lost_candidates(book, use_case, now, by, lost))
    ledger = read_ledger_state(book, use_case.name)
    champion = ledger.champion
    if champion is None or not _is_lost(use_case, ledger.champion_version, lost):
        return Recovery(ledger.champion_version, lost, None, refused, restored)
    entry = _make_recovery(use_case, ledger, champion, as_of, by, lost)
    with effect("record the recovery"):
        entry, _ = book.record(entry, expected_seq=ledger.seq)
    return Recovery(entry.version, lost, entry, refused, restored)


def _make_recovery(
    use_case: UseCase,
    ledger: LedgerState,
    champion: Entry,
    as_of: datetime | None,
    by: str,
    lost: dict[int, str],
) -> Entry:
    """Return the entry that replaces a lost champion by the newest one that can be proved."""
    undone, version = [], None
    for promotion in reversed(ledger.standing_promotions):
        if not _is_lost(use_case, promotion.version, lost):
            version = promotion.version
            break
        undone.append(promotion.key)
    files = None if version is None else find_file_digests(ledger.entries, version)
    evidence = Recovered(
        lost=champion.version,
        undone=undone,
        reason="; ".join(lost.values()),
        files=files,
    )
    at = as_of or _find_end_of_predictions(use_case, champion) or champion.at
    return make_recovered(champion, version, max(at, champion.at), by, evidence)


def _refuse_lost_candidates(
    book: Ledger, use_case: UseCase, now: datetime, by: str, lost: dict[int, str]
) -> list[Entry]:
    entries = []
    for candidate in read_ledger_state(book, use_case.name).undecided_candidates:
        version = candidate.version
        if version is None or not _is_lost(use_case, version, lost):
            continue
        evidence, at = Refused(reason=lost[version]), max(now, candidate.at)
        refusal = make_refused(use_case.name, version, at, by, evidence)
        with effect("refuse a lost candidate"):
            entries.append(book.record(refusal)[0])
    return entries


def _is_lost(use_case: UseCase, version: int | None, lost: dict[int, str]) -> bool:
    """Return whether a version does not open as the ledger knows it; `lost` gets the reason."""
    if version is None or version in lost:
        return True
    try:
        open_model(use_case.name, version)
    except BadModel as bad:
        lost[version] = str(bad.__cause__ or bad)
        return True
    return False


def _find_end_of_predictions(use_case: UseCase, champion: Entry) -> datetime | None:
    """Return the moment after the last prediction of a champion; None if it made none."""
    lake, time = open_lake(use_case.name), use_case.spine.time
    if not lake.exists(PREDICTIONS):
        return None
    own = pl.col("model_version") == champion.version
    rows = lake.scan(PREDICTIONS).filter(own, pl.col(time) >= champion.at)
    last = rows.select(pl.col(time).max()).collect().item()
    return None if last is None else last + _INSTANT
