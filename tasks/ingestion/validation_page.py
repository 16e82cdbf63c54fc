"""Validation page: the rules of one ingest, the rows that broke them, examples, and the trend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
from markupsafe import Markup

from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.features.raw_tables import FILE_COLUMN
from tasks.ingestion.landing import FileVerdict
from tasks.ingestion.rule_results import RuleResult
from tasks.ingestion.summary import count_files_by_table, summarise_ingest
from tasks.reporting.formats import format_share
from tasks.reporting.sparkline import draw_sparkline
from tasks.reporting.table import Cell, CellStyle, Table, build_record_table, build_table
from tasks.reporting.web_pages import render_page
from tasks.storage import files
from tasks.storage.file_records import read_file_records

_TEMPLATES = Path(__file__).parent / "templates"
_ROWS_SHOWN, _FILES_SHOWN, _RUNS_SHOWN = 5, 200, 60
_STYLES: dict[str, CellStyle] = {
    "accepted": "good", "refused": "bad", "waiting": "warning", "ignored": "muted",
    "duplicate": "muted",
}  # fmt: skip


@dataclass(frozen=True)
class TableTrend:
    """The share of rows that each ingest lost of a table, as a picture and in words."""

    table: str
    picture: Markup
    last: str


def write_validation_page(
    use_case: UseCase,
    run: str,
    as_of: datetime,
    verdicts: Sequence[FileVerdict],
    rules: Sequence[RuleResult],
    quarantined: Mapping[str, Mapping[str, pl.DataFrame]],
    docs: str,
) -> str:
    """Write the page of one ingest; return its address.

    Args:
        use_case: the use case.
        run: name of the run, also of its Data Docs.
        as_of: time of the ingest.
        verdicts: on the files of the run.
        rules: results of every rule that was applied.
        quarantined: rows in quarantine by table and file.
        docs: address of the Data Docs of the run; empty if there are none.
    """
    page = render_page(
        _TEMPLATES,
        "validation.html.j2",
        name=use_case.name,
        at=as_of,
        summary=summarise_ingest(verdicts),
        counts=build_record_table(count_files_by_table(verdicts).to_dicts()),
        failed=_tabulate_rules([rule for rule in rules if rule.failed]),
        passed=_tabulate_rules([rule for rule in rules if not rule.failed]),
        files=_tabulate_files(verdicts),
        more=max(0, len(verdicts) - _FILES_SHOWN),
        rows={t: _show_rows(list(parts.values())) for t, parts in quarantined.items() if parts},
        trends=_draw_trends(use_case, verdicts, as_of),
        docs=docs and f"../data_docs/{run}/index.html",
    )
    address = f"{settings().reports}/{use_case.name}/validation/{run}.html"
    files.write_file(address, page.encode())
    return address


def _tabulate_rules(rules: Sequence[RuleResult]) -> Table:
    """Return a row for each rule and table, the most failures first; rules on files are summed."""
    merged: dict[tuple[str, str, str], list[RuleResult]] = {}
    for rule in rules:
        merged.setdefault((rule.table, rule.rule, rule.allowed), []).append(rule)
    rows = []
    for (table, name, allowed), parts in merged.items():
        checked, failed = (sum(getattr(p, n) for p in parts) for n in ("checked", "failed"))
        unit = "files" if parts[0].file else "rows"
        examples = dict.fromkeys(text for part in parts for text in part.examples)
        share = format_share(failed / checked, 2) if failed and checked else ""
        rows.append(
            (table, name, allowed, f"{failed:,} of {checked:,} {unit}", share,
             ", ".join(list(examples)[:_ROWS_SHOWN]), failed)
        )  # fmt: skip
    rows.sort(key=lambda row: -int(row[-1]))
    titles = ("table", "rule", "allowed", "failed", "share", "examples")
    return build_table(titles, [row[:-1] for row in rows])


def _tabulate_files(verdicts: Sequence[FileVerdict]) -> Table:
    shown = sorted(verdicts, key=lambda v: (v.status == "accepted", -v.quarantined))[:_FILES_SHOWN]
    rows = [
        (
            v.file.path,
            Cell(v.status, _STYLES[v.status]),
            v.rows,
            v.accepted,
            v.quarantined,
            v.reason,
        )
        for v in shown
    ]
    return build_table(("file", "verdict", "rows", "accepted", "quarantined", "why"), rows)


def _show_rows(parts: Sequence[pl.DataFrame]) -> Table:
    """Return a few of the quarantined rows of a table, with their reasons first."""
    rows = pl.concat(parts, how="diagonal_relaxed").head(_ROWS_SHOWN)
    reasons = [name for name in rows.columns if name.startswith("_") and name != FILE_COLUMN]
    others = [name for name in rows.columns if not name.startswith("_")]
    records = [
        {name.lstrip("_"): _as_text(value) for name, value in row.items()}
        for row in rows.select(*reasons, *others).to_dicts()
    ]
    return build_record_table(records)


def _as_text(value: object) -> object:
    return "; ".join(map(str, value)) if isinstance(value, list) else value


def _draw_trends(
    use_case: UseCase, verdicts: Sequence[FileVerdict], as_of: datetime
) -> list[TableTrend]:
    """Return the share of lost rows of each table by ingest, this one last."""
    fields = ("status", "rows", "quarantined")
    now = pl.DataFrame(
        {"table": [v.file.table for v in verdicts], "as_of": [as_of] * len(verdicts)}
        | {name: [getattr(v, name) for v in verdicts] for name in fields},
        schema_overrides={"as_of": pl.Datetime("us", "UTC"), "rows": pl.Int64,
                          "quarantined": pl.Int64, "table": pl.String, "status": pl.String},
    )  # fmt: skip
    before = read_file_records(use_case).select(now.columns).filter(pl.col("as_of") < as_of)
    refused = pl.when(status="refused").then("rows").otherwise("quarantined")
    shares = (
        pl.concat([before, now])
        .filter(pl.col("status").is_in(["accepted", "refused"]))
        .group_by("table", "as_of")
        .agg(refused.sum().alias("lost"), pl.col("rows").sum())
        .with_columns(share=pl.col("lost") / pl.col("rows"))
        .sort("table", "as_of")
    )
    return [
        _draw_trend(use_case, str(table), part["share"].fill_nan(None).to_list()[-_RUNS_SHOWN:])
        for (table,), part in shares.group_by("table", maintain_order=True)
    ]


def _draw_trend(use_case: UseCase, table: str, shares: list[float | None]) -> TableTrend:
    limit = use_case.monitor.lost_rows.share
    limits = [limit] * len(shares)
    last = f"{format_share(shares[-1], 2)} lost, usual up to {format_share(limit, 2)}"
    picture = draw_sparkline(shares, limits, 0.0, f"{table}: {last}", judged=shares, bad_above=True)
    return TableTrend(table, picture, last)
