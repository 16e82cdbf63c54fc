"""Sparklines: small inline SVG charts of a trend against its limit."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TypeGuard

from markupsafe import Markup

WIDTH, HEIGHT = 132, 34
_MARGIN = 3.0


def draw_sparkline(
    values: Sequence[float | None],
    limits: Sequence[float | None],
    reference: float | None,
    label: str,
    *,
    judged: Sequence[float | None],
    bad_above: bool,
) -> Markup:
    """Return an SVG of the values, with the limit dashed and its bad side shaded.

    What is judged is a line of its own, with a dot where it is beyond the limit.

    Args:
        values: the trend, oldest first; None leaves a gap.
        limits: the limit of each value; None where there is none.
        reference: what the value usually is; None without one.
        label: text that stands for the picture.
        judged: what is compared with the limits; the values themselves, or over a longer span.
        bad_above: whether values above the limit are bad.
    """
    known = [v for v in (*values, *judged, *limits[-1:], reference) if _is_number(v)]
    if not any(_is_number(value) for value in values):
        return Markup('<span class="soft small">no value yet</span>')
    low, high = min(known), max(known)
    scale = _Scale(low, (high - low) or abs(high) or 1.0, max(len(values) - 1, 1))
    limit = limits[-1] if limits else None
    parts = [_draw_reference(scale, reference), _draw_limit(scale, limit, bad_above=bad_above)]
    if judged is not values:
        parts.append(f'<path class="week" d="{_draw_path(scale, values)}"/>')
    parts.append(f'<path class="line" d="{_draw_path(scale, judged)}"/>')
    parts += [_draw_dot(scale, k, v, "beyond") for k, v in _beyond(judged, limits, bad_above)]
    last = max(k for k, value in enumerate(values) if _is_number(value))
    parts.append(_draw_dot(scale, last, values[last] or 0.0, "last"))
    return Markup(
        f'<svg class="spark" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'role="img" aria-label="{}">{}</svg>'
    ).format(label, Markup("".join(parts)))


class _Scale:
    """Places of a value in the picture."""

    def __init__(self, low: float, span: float, steps: int) -> None:
        self._low, self._span, self._steps = low, span, steps

    def across(self, place: int) -> float:
        """Return the x of a value by its place."""
        return _MARGIN + (WIDTH - 2 * _MARGIN) * place / self._steps

    def up(self, value: float) -> float:
        """Return the y of a value."""
        return HEIGHT - _MARGIN - (HEIGHT - 2 * _MARGIN) * (value - self._low) / self._span


def _draw_path(scale: _Scale, values: Sequence[float | None]) -> str:
    steps, pen = [], "M"
    for place, value in enumerate(values):
        if not _is_number(value):
            pen = "M"
            continue
        steps.append(f"{pen}{scale.across(place):.1f} {scale.up(value):.1f}")
        pen = "L"
    return "".join(steps)


def _draw_limit(scale: _Scale, limit: float | None, *, bad_above: bool) -> str:
    if not _is_number(limit):
        return ""
    y = scale.up(limit)
    top, height = (0.0, y) if bad_above else (y, HEIGHT - y)
    return (
        f'<rect class="zone" x="0" y="{top:.1f}" width="{WIDTH}" height="{max(height, 0):.1f}"/>'
        f'<line class="limit" x1="0" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
    )


def _draw_reference(scale: _Scale, reference: float | None) -> str:
    if not _is_number(reference):
        return ""
    y = scale.up(reference)
    return f'<line class="usual" x1="0" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _beyond(
    values: Sequence[float | None], limits: Sequence[float | None], bad_above: bool
) -> list[tuple[int, float]]:
    pairs = enumerate(zip(values, limits, strict=False))
    return [
        (place, value)
        for place, (value, limit) in pairs
        if _is_number(value) and _is_number(limit) and (value > limit) == bad_above
    ]


def _draw_dot(scale: _Scale, place: int, value: float, style: str) -> str:
    at = f'cx="{scale.across(place):.1f}" cy="{scale.up(value):.1f}"'
    return f'<circle class="{style}" r="1.9" {at}/>'


def _is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and isfinite(value)
