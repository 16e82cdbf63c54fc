"""Requests of a model for its page: feedback by version, flags, and training-serving skew."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tasks.overview.facts import ModelFacts
from tasks.reporting.feedback_tables import list_feedback_examples, tabulate_feedback
from tasks.reporting.formats import format_share
from tasks.reporting.table import Table, build_record_table

_SKEW = "skew:"


@dataclass(frozen=True)
class OnlineFacts:
    """Shares of the last monitored window as texts, and tables; None where nothing is known."""

    flagged: str
    skew: str
    feedback: Table | None
    examples: Table | None
    views: Table | None


def build_online_facts(facts: ModelFacts) -> OnlineFacts | None:
    """Return what is known of a model's requests; None if it neither logs nor was told anything."""
    rows = facts.measured.filter(kind="online")
    if rows.is_empty() and facts.feedback.is_empty():
        return None
    last = rows.filter(pl.col("as_of") == pl.col("as_of").max())
    shares = dict(last.drop_nulls("value").select("subject", "value").iter_rows())
    views = {name.removeprefix(_SKEW): share for name, share in shares.items()
             if name.startswith(_SKEW)}  # fmt: skip
    whole = {name: share for name, share in views.items() if ":" not in name}
    highest = max(whole, key=lambda name: whole[name], default=None)
    flagged = shares.get("flagged:predictions")
    return OnlineFacts(
        flagged="" if flagged is None else format_share(flagged, 1),
        skew="" if highest is None else f"{format_share(whole[highest], 1)} ({highest})",
        feedback=tabulate_feedback(facts.feedback),
        examples=list_feedback_examples(facts.feedback),
        views=_tabulate_skew(views),
    )


def _tabulate_skew(views: dict[str, float]) -> Table | None:
    """Return the share of differing values by view and reason."""
    records = [
        {
            "view": view,
            "reason": reason.replace("_", " ") or "all",
            "differs": format_share(share, 1),
        }
        for name, share in sorted(views.items())
        for view, _, reason in [name.partition(":")]
    ]
    return build_record_table(records) if records else None
