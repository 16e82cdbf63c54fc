"""How every picture looks, and what the ledger says drawn into it: lines for what happened,
bands for roll-outs and bake windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

from tasks.ledger import Entry

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#30343b"
COLOURS = {
    "ok": "#7a9a7e", "inform": "#d9a441", "ticket": "#d8722c", "page": "#c0392b", None: "#b8b8b8",
}  # fmt: skip
MARKS = {
    "alert_raised": ("#c0392b", ":", "alert"),
    "promoted": ("#2e7d32", "-", "v{} promoted"),
    "refused": ("#8d6e00", "--", "v{} refused"),
    "rolled_back": ("#7b1fa2", "-.", "back to v{}"),
}
BANDS = {"roll-out": "#f2c14e", "bake": "#7fb7be"}


@dataclass(frozen=True)
class Band:
    """A span of time in which a version proved itself, and what it is called in a picture."""

    kind: Literal["roll-out", "bake"]
    version: int
    start: datetime
    end: datetime
    name: str


def bands(entries: Sequence[Entry], until: datetime) -> list[Band]:
    """The roll-outs (a band a stage) and bake windows of a ledger; what still runs ends `until`."""
    return [band for e in entries if (band := _band(e, entries, until)) and band.start < band.end]


def _band(entry: Entry, entries: Sequence[Entry], until: datetime) -> Band | None:
    version, later = entry.version, [e for e in entries if e.seq > entry.seq]
    if version is None:
        return None
    if entry.what in ("rollout_started", "rollout_grown"):
        ends = ("rollout_grown", "promoted", "refused")
        end = next((e.at for e in later if e.version == version and e.what in ends), until)
        share = entry.evidence.get("share") or 0
        name = f"v{version} at {share:.0%}" if share else f"v{version} in shadow"
        return Band("roll-out", version, entry.at, end, name)
    if entry.what == "promoted" and (baked := entry.evidence.get("bake_until")):
        crowned = (e.at for e in later if e.what in ("promoted", "rolled_back"))
        end = min(datetime.fromisoformat(baked), next(crowned, until), until)
        return Band("bake", version, entry.at, end, f"v{version} bakes")
    return None


def mark(axes: Axes, entries: Sequence[Entry], since: datetime | None, *, named: bool) -> None:
    """What the ledger says, since a moment: lines for alerts, decisions and rollbacks, and bands
    for roll-outs and bake windows, up to the axes' end.
    """
    from matplotlib.dates import num2date

    recent = [e for e in entries if since is not None and e.at >= since]
    edge = num2date(axes.get_xlim()[1])
    for band in bands(recent, edge):
        _shade(axes, band, named=named)
    for entry in (e for e in recent if e.what in MARKS):
        _line(axes, entry, named=named)


def _shade(axes: Axes, band: Band, *, named: bool) -> None:
    span: Any = (band.start, band.end)
    axes.axvspan(*span, color=BANDS[band.kind], alpha=0.3, lw=0, zorder=0)
    if named:
        middle: Any = band.start + (band.end - band.start) / 2
        height = 0.03 if band.kind == "bake" else 0.09
        axes.text(
            middle, height, band.name, color=INK, fontsize=7, ha="center",
            rotation=0 if band.kind == "bake" else 90, va="bottom",
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip


def _line(axes: Axes, entry: Entry, *, named: bool) -> None:
    colour, dashes, name = MARKS[entry.what]
    at: Any = entry.at
    axes.axvline(at, color=colour, linestyle=dashes, linewidth=1.1, alpha=0.8, zorder=2)
    if named:
        height = 1.02 if entry.what == "alert_raised" else 1.09
        place = axes.get_xaxis_transform()
        said = name.format(entry.version)
        axes.text(at, height, said, color=colour, fontsize=8, ha="center", transform=place)


def png(figure: Figure, dpi: int) -> bytes:
    """A figure as a file."""
    out = BytesIO()
    figure.savefig(out, format="png", dpi=dpi)
    return out.getvalue()


def dates(axes: Axes) -> None:
    """Few and short dates below a panel."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    places = AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(places)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(places))


def tidy(axes: Axes, title: str) -> None:
    """A small title, a faint grid and no box: how every panel looks."""
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.grid(axis="both", alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8.5, colors=INK)
