"""Style of every chart: colours, axes, dates, and PNG output."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


INK = "#30343b"
SEVERITY_COLOURS = {
    "ok": "#7a9a7e", "inform": "#d9a441", "ticket": "#d8722c", "page": "#c0392b", None: "#b8b8b8",
}  # fmt: skip


def create_figure(**options: Any) -> Figure:  # noqa: ANN401 - options of matplotlib's Figure
    """Return a figure in which a `$` in a name is a `$`, and begins no formula."""
    import matplotlib as mpl
    from matplotlib.figure import Figure  # without pyplot, whose import costs as much as a chart

    mpl.rcParams["text.parse_math"] = False
    return Figure(**options)


def to_png(figure: Figure, dpi: int) -> bytes:
    """Return a figure as a PNG file."""
    out = BytesIO()
    figure.savefig(out, format="png", dpi=dpi)
    return out.getvalue()


def format_date_axis(axes: Axes) -> None:
    """Put few and short dates below a panel."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def tidy_axes(axes: Axes, title: str) -> None:
    """Give a panel its title, a faint grid, and no box."""
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.grid(axis="both", alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8.5, colors=INK)
