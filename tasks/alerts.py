"""From verdicts to episodes, and from episodes to the alert that asks for retraining.

An episode is one cause (performance:roc_auc_4w, drift:<column>) that stays bad: it opens at the
first page, goes on while the page does, and closes when its verdict is ok again or a new champion
took over. A number without a verdict changes nothing.

What asks for retraining: performance, and drift of columns that page, because new rows are then
the only cure and the gate decides whether they are one. A broken contract (rows, days, nulls)
never does, and while one is open nothing else does either: broken data must not be trained on.
It closes by itself as soon as the data are whole again; until then it is a page for people.

One alert at a time: none while another is unanswered or a candidate undecided, and none within
the cooldown after the last retraining began.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from configs.use_case import UseCase
from tasks.events import emit_alert
from tasks.ledger import (
    Entry,
    Ledger,
    champion,
    open_episodes,
    unanswered_alerts,
    undecided_candidates,
)

ACTOR = "monitor"
_HOLDS = "contract"  # the kind of episode that keeps retraining back


def changes(
    entries: Sequence[Entry], rows: pl.DataFrame, model: str, as_of: datetime
) -> list[Entry]:
    """The episodes that open or close, given the ledger and the monitoring rows of `as_of`.

    Rows about a version that is champion no longer open nothing: its successor is another model.
    """
    past = [entry for entry in entries if entry.at <= as_of]
    reigning = champion(past)
    version = None if reigning is None else reigning.version
    about = rows.filter(pl.col("model_version") == version, pl.col("verdict").is_not_null())
    verdicts = {f"{row['kind']}:{row['subject']}": row for row in about.to_dicts()}
    opened = open_episodes(past)
    closing = [_close(e, why, as_of) for e in opened if (why := _over(e, reigning, verdicts))]
    closed = {entry.key.removeprefix("closed:") for entry in closing}
    lasting = {e.evidence["cause"] for e in opened if e.key not in closed}
    paging = {cause: row for cause, row in verdicts.items() if row["verdict"] == "page"}
    opening = [_open(c, row, model, as_of) for c, row in paging.items() if c not in lasting]
    return closing + opening


def alert(
    entries: Sequence[Entry], model: str, as_of: datetime, cooldown: timedelta
) -> Entry | None:
    """The alert to raise now, for the oldest open episode that asks for retraining; or none."""
    past = [entry for entry in entries if entry.at <= as_of]
    opened = open_episodes(past)
    asking = [e for e in opened if e.evidence["kind"] != _HOLDS]
    started = [e.at for e in past if e.what == "retrain_started"]
    busy = unanswered_alerts(past) or undecided_candidates(past)
    cooling = bool(started) and as_of - max(started) < cooldown
    if not asking or len(asking) < len(opened) or busy or cooling:
        return None
    oldest = asking[0]
    causes = [e.evidence["cause"] for e in asking]
    key = f"alert:{oldest.key}:{as_of:%Y-%m-%d}"
    evidence = {
        "episode": oldest.key,
        "causes": causes,
        "message": "; ".join(e.evidence["message"] for e in asking),
    }
    return Entry(model, "alert_raised", key, as_of, ACTOR, oldest.version, evidence)


def waiting(entries: Sequence[Entry]) -> list[Entry]:
    """Alerts that nobody has begun to answer; their event may have been lost."""
    keys = {entry.key for entry in entries}
    return [e for e in unanswered_alerts(entries) if f"retrain:{e.key}" not in keys]


def record(book: Ledger, use_case: UseCase, rows: pl.DataFrame, as_of: datetime) -> list[Entry]:
    """Write what changes into the ledger; the entries that are new. Twice is as once."""
    found = changes(book.entries(use_case.name), rows, use_case.name, as_of)
    new = [entry for entry, wrote in map(book.record, found) if wrote]
    raised = alert(book.entries(use_case.name), use_case.name, as_of, use_case.retrain.cooldown)
    if raised is not None:
        entry, wrote = book.record(raised)
        new += [entry] if wrote else []
    return new


def _over(episode: Entry, reigning: Entry | None, verdicts: dict[str, dict[str, object]]) -> str:
    """Why an episode is over; empty while it is not."""
    if reigning is not None and reigning.seq > episode.seq:
        return "a new champion took over"
    now = verdicts.get(episode.evidence["cause"])
    return "it is good again" if now is not None and now["verdict"] != "page" else ""


def _open(cause: str, row: dict[str, object], model: str, as_of: datetime) -> Entry:
    version = row["model_version"]
    assert isinstance(version, int)
    numbers = ("value", "reference", "threshold", "coverage", "rows")
    said = f"{cause} is {row['value']:.4g}, reference {row['reference']:.4g}"
    evidence = {
        "cause": cause,
        "kind": row["kind"],
        "message": f"{said}, limit {row['threshold']:.4g}",
        **{name: row[name] for name in numbers},
    }
    key = f"episode:{cause}:{as_of:%Y-%m-%d}"
    return Entry(model, "episode_opened", key, as_of, ACTOR, version, evidence)


def _close(episode: Entry, why: str, as_of: datetime) -> Entry:
    return Entry(
        episode.model, "episode_closed", f"closed:{episode.key}", as_of, ACTOR, episode.version,
        {"episode": episode.key, "cause": episode.evidence["cause"], "reason": why},
    )  # fmt: skip


@task(task_run_name="raise alerts", cache_policy=NO_CACHE)
def raise_alerts(
    book: Ledger, use_case: UseCase, rows: pl.DataFrame, as_of: datetime
) -> list[Entry]:
    """As `record`, then send every alert that waits for an answer; the new entries.

    An alert is sent as long as nobody answers it, so a run that was killed between ledger and
    event completes when it runs again.
    """
    new = record(book, use_case, rows, as_of)
    for entry in new:
        get_run_logger().warning("%s: %s %s", entry.what, entry.key, entry.evidence)
    for entry in waiting(book.entries(use_case.name)):
        emit_alert(entry)
    return new
