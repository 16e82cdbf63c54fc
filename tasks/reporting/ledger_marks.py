"""Ledger marks in a chart: lines for alerts and decisions, bands for rollouts and bake windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from tasks.ledger.descriptions import read_bake_end, read_share
from tasks.ledger.log import Entry
from tasks.reporting.chart_style import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes


LEDGER_MARKS = {
    "alert_raised": ("#c0392b", ":", "alert"),
    "promoted": ("#2e7d32", "-", "v{} promoted"),
    "refused": ("#8d6e00", "--", "v{} refused"),
    "rolled_back": ("#7b1fa2", "-.", "back to v{}"),
    "recovered": ("#7b1fa2", "-.", "recovered to v{}"),
}

_CHAMPION_CHANGES = ("promoted", "rolled_back", "recovered")
BAND_COLOURS = {"rollout": "#f2c14e", "bake": "#7fb7be"}


@dataclass(frozen=True)
class LedgerBand:
    """The span of a version's rollout stage or bake window, and its name in a chart."""

    kind: Literal["rollout", "bake"]
    version: int
    start: datetime
    end: datetime
    name: str


def find_ledger_bands(entries: Sequence[Entry], until: datetime) -> list[LedgerBand]:
    """Return a band for each rollout stage and bake window; one that still runs ends at `until`."""
    return [
        band for e in entries if (band := _build_band(e, entries, until)) and band.start < band.end
    ]


def _build_band(entry: Entry, entries: Sequence[Entry], until: datetime) -> LedgerBand | None:
    version, later = entry.version, [e for e in entries if e.seq > entry.seq]
    if version is None:
        return None
    if entry.what in ("rollout_started", "rollout_grown"):
        ends = ("rollout_grown", "promoted", "refused")
        end = next((e.at for e in later if e.version == version and e.what in ends), until)
        share = read_share(entry) or 0
        name = f"v{version} at {share:.0%}" if share else f"v{version} in shadow"
        return LedgerBand("rollout", version, entry.at, end, name)
    if (bake_until := read_bake_end(entry)) is not None:
        successors = (e.at for e in later if e.what in _CHAMPION_CHANGES)
        end = min(bake_until, next(successors, until), until)
        return LedgerBand("bake", version, entry.at, end, f"v{version} bakes")
    return None


def mark_ledger(
    axes: Axes, entries: Sequence[Entry], since: datetime | None, *, named: bool
) -> None:
    """Draw the ledger's entries since a moment: lines for alerts and decisions, bands for spans.

    Args:
        axes: A panel with dates on its x axis.
        entries: The ledger.
        since: The first moment to mark; None marks nothing.
        named: Whether the marks have names.
    """
    from matplotlib.dates import num2date

    recent = [e for e in entries if since is not None and e.at >= since]
    edge = num2date(axes.get_xlim()[1])
    for band in find_ledger_bands(recent, edge):
        _draw_band(axes, band, named=named)
    for entry in (e for e in recent if e.what in LEDGER_MARKS):
        _draw_line(axes, entry, named=named)


def _draw_band(axes: Axes, band: LedgerBand, *, named: bool) -> None:
    span: Any = (band.start, band.end)
    axes.axvspan(*span, color=BAND_COLOURS[band.kind], alpha=0.3, lw=0, zorder=0)
    if named:
        middle: Any = band.start + (band.end - band.start) / 2
        height = 0.03 if band.kind == "bake" else 0.09
        axes.text(
            middle, height, band.name, color=INK, fontsize=7, ha="center",
            rotation=0 if band.kind == "bake" else 90, va="bottom",
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip


def _draw_line(axes: Axes, entry: Entry, *, named: bool) -> None:
    colour, dashes, name = LEDGER_MARKS[entry.what]
    at: Any = entry.at
    axes.axvline(at, color=colour, linestyle=dashes, linewidth=1.1, alpha=0.8, zorder=2)
    if named:
        height = 1.02 if entry.what == "alert_raised" else 1.09
        place = axes.get_xaxis_transform()
        text = name.format(entry.version)
        axes.text(at, height, text, color=colour, fontsize=8, ha="center", transform=place)
