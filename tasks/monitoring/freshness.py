"""Data freshness: check that data, labels, predictions and monitoring arrive on time.

Each source has a latest arrival, the newest time in its table up to `as_of`:

    landed      time at which a row of the raw tables became known
    labelled    time at which a label became known
    scored      prediction time of a prediction
    monitored   end of a monitored window

An arrival older than its deadline opens an episode; the next arrival closes it. Before the first
arrival nothing is due, so a new installation raises no alert. From the first promotion on,
predictions and monitored windows are due.

The check is scheduled. Prefect's proactive triggers were not used: they count real time, know of a
run but not of what it wrote, miss lost events, and cannot be replayed on past data. A Prefect
automation reports a check that does not run (infra/automations.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from configs.clock import write_duration
from configs.schema.use_case import UseCase
from tasks.features import retrieval
from tasks.ledger.entries import make_episode_closed, make_episode_opened
from tasks.ledger.evidence import SILENCE_KIND, EpisodeOpened, join_cause, read_evidence
from tasks.ledger.log import Entry
from tasks.ledger.state import LedgerState
from tasks.monitoring import measurements
from tasks.rollout.prediction_log import PREDICTIONS
from tasks.storage.lake import open_lake

WATCH_ACTOR = "watch"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_SAID = {
    "landed": "no new row has landed",
    "labelled": "no new label has arrived",
    "scored": "nothing has been scored",
    "monitored": "nothing has been monitored",
}

_DUE_SINCE_PROMOTION = ("scored", "monitored")
SignsOfLife = dict[str, datetime]


def latest_signs(use_case: UseCase, ledger: LedgerState, as_of: datetime) -> SignsOfLife:
    """When each that has a deadline was last heard of by `as_of`; without those that are not due.

    Nobody looks further back than the deadline, unless there is nothing.
    """
    promotions = [e.at for e in ledger.entries if e.what == "promoted" and e.at <= as_of]
    found: SignsOfLife = {}
    for what, deadline in use_case.deadlines.spans.items():
        sign = _sign(use_case, what, as_of, deadline)
        began = promotions[:1] if what in _DUE_SINCE_PROMOTION else []
        if known := [*began, *([sign] if sign else [])]:
            found[what] = max(known)
    return found


def change_freshness_episodes(
    use_case: UseCase, ledger: LedgerState, found: SignsOfLife, as_of: datetime
) -> list[Entry]:
    """The silences that open or close at `as_of`, given the ledger and the signs of life."""
    past = ledger.at(as_of)
    spans = use_case.deadlines.spans
    silent = [what for what, at in found.items() if as_of - at > spans[what]]
    opened = [(e, read_evidence(e, EpisodeOpened)) for e in past.open_episodes]
    lasting = {shown.subject: e for e, shown in opened if shown.kind == SILENCE_KIND}
    closing = [
        make_episode_closed(episode, _heard(found.get(what)), as_of, WATCH_ACTOR)
        for what, episode in lasting.items()
        if what not in silent
    ]
    opening = [
        _open(use_case.name, past.champion_version, what, found[what], spans[what], as_of)
        for what in silent
        if what not in lasting
    ]
    return closing + opening


def _open(
    model: str,
    version: int | None,
    what: str,
    since: datetime,
    deadline: timedelta,
    as_of: datetime,
) -> Entry:
    allowed = write_duration(deadline)
    evidence = EpisodeOpened(
        cause=join_cause(SILENCE_KIND, what),
        kind=SILENCE_KIND,
        severity="page",
        message=f"{_SAID[what]} since {since:%Y-%m-%d %H:%M} UTC, for longer than {allowed}",
        since=since,
        deadline=allowed,
    )
    return make_episode_opened(model, version, as_of, WATCH_ACTOR, evidence)


def _heard(at: datetime | None) -> str:
    return "it is watched no longer" if at is None else f"heard of again: {at:%Y-%m-%d %H:%M} UTC"


def _sign(use_case: UseCase, what: str, as_of: datetime, deadline: timedelta) -> datetime | None:
    if what == "labelled":
        return _newest_label(use_case, as_of, deadline)
    places = {
        "landed": [(f"raw/{name}", table.known_time) for name, table in use_case.tables.items()],
        "scored": [(PREDICTIONS, use_case.spine.time)],
        "monitored": [(measurements.MONITORING_TABLE, "as_of")],
    }
    return _newest(use_case, places[what], as_of, deadline)


def _newest(
    use_case: UseCase, places: Sequence[tuple[str, str]], as_of: datetime, deadline: timedelta
) -> datetime | None:
    """Return the newest time up to `as_of` in (table, column) of the lake; None without rows."""
    lake = open_lake(use_case.name)
    for since in (as_of - deadline, _BEGINNING):
        found: list[datetime | None] = [
            lake.scan(table)
            .filter(pl.col(time) >= since, pl.col(time) <= as_of)
            .select(pl.col(time).max())
            .collect()
            .item()
            for table, time in places
            if lake.exists(table)
        ]
        if some := [at for at in found if at is not None]:
            return max(some)
    return None


def _newest_label(use_case: UseCase, as_of: datetime, deadline: timedelta) -> datetime | None:
    """Return the newest time up to `as_of` at which a label became known; None before the first.

    The delay of labels is unknown. So labels of the latest predictions are read first, and earlier
    ones only while none is recent enough.
    """
    lake = open_lake(use_case.name)
    if not all(lake.exists(f"raw/{name}") for name in use_case.tables):
        return None
    for start in (as_of - 4 * deadline, as_of - 16 * deadline, _BEGINNING):
        known = retrieval.build_labels(use_case, start, as_of, as_of)[use_case.label.known_time]
        newest = known.max()
        if isinstance(newest, datetime) and as_of - newest <= deadline:
            return newest
    return newest if isinstance(newest, datetime) else None
