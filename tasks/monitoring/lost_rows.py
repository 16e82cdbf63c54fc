"""Lost rows: episodes of landed rows that were quarantined or refused beyond what is usual.

Per table, the files of the last day are compared with the 30 days before:

    lost     quarantined rows that were not released, and the rows of refused files
    opens    a whole file is lost; or at least `count` rows are, and their share is above the limit
    limit    `share`, or twice the share of the 30 days before, of which at most 10% counts
    closes   the share of the last day is at most the limit, and no whole file is lost

A file that waits for its time is not lost.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from configs.schema.monitoring import LostRows
from configs.schema.use_case import UseCase
from tasks.ledger.causes import LOST_KIND, join_cause
from tasks.ledger.entries import make_episode_closed, make_episode_opened
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.ledger.log import Entry
from tasks.ledger.state import LedgerState

INGEST_ACTOR = "ingest"
_WINDOW, _BEFORE = timedelta(days=1), timedelta(days=30)
_MOST_USUAL = 0.1
_FILE = ("table", "path", "size", "modified", "fingerprint")


def find_lost_row_changes(
    use_case: UseCase, ledger: LedgerState, records: pl.DataFrame, as_of: datetime
) -> list[Entry]:
    """Return the entries of episodes of lost rows that open or close at `as_of`.

    Args:
        use_case: the rule.
        ledger: the state of the ledger.
        records: the records of all landed files.
        as_of: time of the ingest.
    """
    past = ledger.at(as_of)
    shown = [(entry, read_evidence(entry, EpisodeOpened)) for entry in past.open_episodes]
    opened = {each.subject: (entry, each) for entry, each in shown if each.kind == LOST_KIND}
    changes = []
    for table in measure_lost_rows(records, use_case.monitor.lost_rows, as_of).to_dicts():
        episode = opened.get(table["table"])
        if episode is None and table["bad"]:
            opening = _describe_loss(use_case, table)
            changes.append(
                make_episode_opened(
                    use_case.name, past.champion_version, as_of, INGEST_ACTOR, opening
                )
            )
        elif episode is not None and not table["files_lost"]:
            entry, evidence = episode
            limit = table["limit"] if evidence.threshold is None else evidence.threshold
            if table["share"] <= limit:
                reason = f"{table['share']:.1%} of the last day's rows of {table['table']} are lost"
                changes.append(make_episode_closed(entry, reason, as_of, INGEST_ACTOR))
    return changes


def measure_lost_rows(records: pl.DataFrame, rule: LostRows, as_of: datetime) -> pl.DataFrame:
    """Return rows, lost rows, lost files, share and limit of each table of the last day's files.

    `bad` says whether they page, and `reason` is that of the file that lost most.
    """
    files = _count_by_file(records.filter(pl.col("as_of") <= as_of))
    recent = pl.col("as_of") > as_of - _WINDOW
    before = files.filter(~recent, pl.col("as_of") > as_of - _WINDOW - _BEFORE)
    usual = before.group_by("table").agg(usual=pl.col("lost").sum() / pl.col("rows").sum())
    now = files.filter(recent).sort("lost", descending=True).group_by("table", maintain_order=True)
    measured = now.agg(
        pl.col("rows", "lost").sum(),
        pl.col("whole").sum().alias("files_lost"),
        pl.col("reason").first(),
    ).join(usual, on="table", how="left")
    twice = 2 * pl.col("usual").fill_nan(0).fill_null(0)
    limit = pl.max_horizontal(pl.lit(rule.share), pl.min_horizontal(twice, pl.lit(_MOST_USUAL)))
    share = (pl.col("lost") / pl.col("rows")).fill_nan(0)
    beyond = (pl.col("lost") >= rule.count) & (pl.col("share") > pl.col("limit"))
    return (
        measured.with_columns(limit=limit, share=share)
        .with_columns(bad=beyond | (pl.col("files_lost") > 0))
        .sort("table")
    )


def _count_by_file(records: pl.DataFrame) -> pl.DataFrame:
    """Return new and lost rows of each landed file by its last verdict; without copies."""
    verdicts = records.filter(pl.col("status").is_in(["accepted", "refused"]))
    last = verdicts.sort(pl.col("status") == "accepted", maintain_order=True).unique(
        _FILE, keep="last", maintain_order=True
    )
    released = (
        records.filter(status="released").group_by(_FILE).agg(pl.col("accepted").sum().alias("out"))
    )
    refused = pl.col("status") == "refused"
    waits, unread = pl.col("cause") == "time", pl.col("cause").is_in(["content", ""])
    new = pl.col("rows") - pl.col("repeated").fill_null(0)
    lost = pl.when(refused).then("rows").otherwise(pl.col("quarantined") - pl.col("out"))
    return (
        last.filter(~(refused & waits.fill_null(value=False)))
        .join(released, on=_FILE, how="left")
        .with_columns(pl.col("out").fill_null(0))
        .with_columns(lost=lost.clip(lower_bound=0), rows=new)
        .with_columns(
            whole=((pl.col("rows") > 0) & (pl.col("lost") == pl.col("rows")))
            | (refused & unread.fill_null(value=False))
        )
    )


def _describe_loss(use_case: UseCase, table: dict[str, object]) -> EpisodeOpened:
    files = f", {table['files_lost']} of its files wholly" if table["files_lost"] else ""
    message = (
        f"{table['lost']} of {table['rows']} rows of {table['table']} were quarantined or refused "
        f"within a day{files}: {str(table['reason'])[:200]}; see `mainspring quarantine "
        f"{use_case.name}`"
    )
    return EpisodeOpened.model_validate(
        {
            "cause": join_cause(LOST_KIND, str(table["table"])),
            "kind": LOST_KIND,
            "severity": use_case.monitor.lost_rows.severity,
            "message": message,
            "value": table["share"],
            "threshold": table["limit"],
            "rows": table["rows"],
        }
    )
