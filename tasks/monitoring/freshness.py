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
from configs.errors import NoRows
from configs.schema.use_case import UseCase
from tasks.features import retrieval
from tasks.ledger.causes import FRESHNESS_KIND, join_cause
from tasks.ledger.entries import make_episode_closed, make_episode_opened
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.ledger.log import Entry
from tasks.ledger.state import LedgerState
from tasks.monitoring import measurements
from tasks.rollout.prediction_log import PREDICTIONS
from tasks.storage.lake import open_lake

WATCH_ACTOR = "watch"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_MESSAGES = {
    "landed": "no new row has landed",
    "labelled": "no new label has arrived",
    "scored": "nothing has been scored",
    "monitored": "nothing has been monitored",
}

_DUE_SINCE_PROMOTION = ("scored", "monitored")
Arrivals = dict[str, datetime]


def find_latest_arrivals(use_case: UseCase, ledger: LedgerState, as_of: datetime) -> Arrivals:
    """Return the latest arrival up to `as_of` of each source with a deadline.

    Sources that are not due yet are omitted.
    """
    promotions = [e.at for e in ledger.entries if e.what == "promoted" and e.at <= as_of]
    arrivals: Arrivals = {}
    for source, deadline in use_case.deadlines.spans.items():
        newest = find_arrival(use_case, source, as_of, deadline)
        due_since = promotions[:1] if source in _DUE_SINCE_PROMOTION else []
        if times := [*due_since, *([newest] if newest else [])]:
            arrivals[source] = max(times)
    return arrivals


def require_known_rows(use_case: UseCase, as_of: datetime) -> None:
    """Raise NoRows if the newest known row is older at `as_of` than its deadline allows.

    The deadline is `deadlines.landed`, or `monitor.window` without one. Nothing is required before
    the first row.
    """
    deadline = use_case.deadlines.landed or use_case.monitor.window
    newest = find_arrival(use_case, "landed", as_of, deadline)
    if newest is not None and as_of - newest > deadline:
        raise NoRows(
            f"as_of: {as_of:%Y-%m-%dT%H:%M} is more than {write_duration(deadline)} after the "
            f"newest known row of {use_case.name}, which is of {newest:%Y-%m-%dT%H:%M} UTC. Give a "
            f"moment up to {newest + deadline:%Y-%m-%dT%H:%M}, or set `force` to true"
        )


def find_freshness_changes(
    use_case: UseCase, ledger: LedgerState, arrivals: Arrivals, as_of: datetime
) -> list[Entry]:
    """Return the entries of freshness episodes that open or close at `as_of`.

    Args:
        use_case: the deadlines.
        ledger: the state of the ledger.
        arrivals: latest arrival of each source.
        as_of: time of the check.
    """
    past = ledger.at(as_of)
    spans = use_case.deadlines.spans
    overdue = [source for source, at in arrivals.items() if as_of - at > spans[source]]
    opened = [(e, read_evidence(e, EpisodeOpened)) for e in past.open_episodes]
    lasting = {shown.subject: e for e, shown in opened if shown.kind == FRESHNESS_KIND}
    closing = [
        make_episode_closed(episode, _closing_reason(arrivals.get(source)), as_of, WATCH_ACTOR)
        for source, episode in lasting.items()
        if source not in overdue
    ]
    opening = [
        _open_episode(
            use_case.name, past.champion_version, source, arrivals[source], spans[source], as_of
        )
        for source in overdue
        if source not in lasting
    ]
    return closing + opening


def _open_episode(
    model: str,
    version: int | None,
    source: str,
    since: datetime,
    deadline: timedelta,
    as_of: datetime,
) -> Entry:
    allowed = write_duration(deadline)
    evidence = EpisodeOpened(
        cause=join_cause(FRESHNESS_KIND, source),
        kind=FRESHNESS_KIND,
        severity="page",
        message=f"{_MESSAGES[source]} since {since:%Y-%m-%d %H:%M} UTC, for longer than {allowed}",
        since=since,
        deadline=allowed,
    )
    return make_episode_opened(model, version, as_of, WATCH_ACTOR, evidence)


def _closing_reason(arrived: datetime | None) -> str:
    if arrived is None:
        return "no deadline is configured any more"
    return f"data arrived at {arrived:%Y-%m-%d %H:%M} UTC"


def find_arrival(
    use_case: UseCase, source: str, as_of: datetime, deadline: timedelta
) -> datetime | None:
    """Return the newest time of a source up to `as_of`; None before the first.

    Args:
        use_case: the use case.
        source: landed, labelled, scored or monitored.
        as_of: time of the check.
        deadline: how far back to look first.
    """
    if source == "labelled":
        return _find_newest_label(use_case, as_of, deadline)
    columns = {
        "landed": [(f"raw/{name}", table.known_time) for name, table in use_case.tables.items()],
        "scored": [(PREDICTIONS, use_case.spine.time)],
        "monitored": [(measurements.MONITORING_TABLE, "as_of")],
    }
    return _find_newest(use_case, columns[source], as_of, deadline)


def _find_newest(
    use_case: UseCase, columns: Sequence[tuple[str, str]], as_of: datetime, deadline: timedelta
) -> datetime | None:
    """Return the newest time up to `as_of` in (table, column) of the lake; None without rows."""
    lake = open_lake(use_case.name)
    for since in (as_of - deadline, _BEGINNING):  # the whole table only if nothing is recent
        newest: list[datetime | None] = [
            lake.scan(table)
            .filter(pl.col(time) >= since, pl.col(time) <= as_of)
            .select(pl.col(time).max())
            .collect()
            .item()
            for table, time in columns
            if lake.exists(table)
        ]
        if times := [at for at in newest if at is not None]:
            return max(times)
    return None


def _find_newest_label(use_case: UseCase, as_of: datetime, deadline: timedelta) -> datetime | None:
    """Return the newest time up to `as_of` at which a label became known; None before the first.

    The delay of labels is unknown. So labels of the latest predictions are read first, and earlier
    ones only while none is recent enough.
    """
    lake = open_lake(use_case.name)
    if not all(lake.exists(f"raw/{name}") for name in use_case.tables):
        return None
    for start in (as_of - 4 * deadline, as_of - 16 * deadline, _BEGINNING):
        labels = retrieval.build_labels(use_case, start, as_of, as_of)
        newest = labels[use_case.label.known_time].max()
        if isinstance(newest, datetime) and as_of - newest <= deadline:
            return newest
    return newest if isinstance(newest, datetime) else None
