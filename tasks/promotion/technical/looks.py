"""Looks of the technical gate: pure decisions on the tallies of two versions at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from configs.schema.serving import TechnicalGate
from tasks.serving.version_tally import TallyPeriod, VersionCounts

Quantity = Literal["errors", "latency"]
QUANTITIES: tuple[Quantity, ...] = ("errors", "latency")
_WORDS: dict[Quantity, tuple[str, str]] = {
    "errors": ("share of errors", ""),
    "latency": ("p99", " ms"),
}


@dataclass(frozen=True)
class TechnicalLook:
    """One quantity of a version in one look; `other` is that of the version beside it."""

    quantity: Quantity
    value: float
    other: float | None
    limit: float
    requests: int

    @property
    def is_bad(self) -> bool:
        """Return whether the value is above its limit."""
        return self.value > self.limit


@dataclass(frozen=True)
class TechnicalVerdict:
    """What the last looks say of one quantity: bad, good, or neither."""

    looks: Sequence[TechnicalLook]
    outcome: Literal["bad", "good", "unclear"]

    @property
    def latest(self) -> TechnicalLook:
        """Return the last look."""
        return self.looks[-1]

    def describe(self, version: int, other: int | None) -> str:
        """Return the numbers of the last look in words."""
        look = self.latest
        noun, unit = _WORDS[look.quantity]
        beside = "" if other is None else f", of version {other} {look.other:.4g}{unit}"
        bad = sum(each.is_bad for each in self.looks)
        return (
            f"{noun} of version {version} is {look.value:.4g}{unit} in {look.requests} requests"
            f"{beside}; allowed: {look.limit:.4g}{unit}; bad in {bad} of {len(self.looks)} looks"
        )


def judge_beside(
    periods: Sequence[TallyPeriod], version: int, other: int, gate: TechnicalGate
) -> dict[Quantity, TechnicalVerdict]:
    """Judge a version by another one that predicted at the same time; empty before the first look.

    Args:
        periods: since both serve, in order.
        version: the challenger, or the champion in its bake window.
        other: the version that serves if this one does not.
        gate: the limits.
    """
    looks = [(each[version], each[other]) for each in group_looks(periods, (version, other), gate)]
    return _decide(
        gate,
        errors=[
            TechnicalLook(
                "errors", own.error_share, beside.error_share,
                max(gate.error_floor, gate.error_ratio * beside.error_share), own.requests,
            )
            for own, beside in looks
        ],
        latency=[
            TechnicalLook(
                "latency", own.p99_ms, beside.p99_ms,
                max(gate.latency_floor_ms, gate.latency_ratio * beside.p99_ms), own.requests,
            )
            for own, beside in looks
        ],
    )  # fmt: skip


def judge_alone(
    periods: Sequence[TallyPeriod], version: int, gate: TechnicalGate
) -> dict[Quantity, TechnicalVerdict]:
    """Judge a version by the absolute limits alone; empty before the first look."""
    looks = [each[version] for each in group_looks(periods, (version,), gate)]
    limit_ms = float("inf") if gate.page_ms is None else gate.page_ms
    return _decide(
        gate,
        errors=[
            TechnicalLook("errors", each.error_share, None, gate.error_floor, each.requests)
            for each in looks
        ],
        latency=[
            TechnicalLook("latency", each.p99_ms, None, limit_ms, each.requests) for each in looks
        ],
    )


def group_looks(
    periods: Iterable[TallyPeriod], versions: tuple[int, ...], gate: TechnicalGate
) -> list[dict[int, VersionCounts]]:
    """Return the looks: periods, joined until each version has the minimum of requests.

    What is left at the end is no look yet.
    """
    looks: list[dict[int, VersionCounts]] = []
    growing = {version: VersionCounts() for version in versions}
    for period in periods:
        for version in versions:
            if version in period.versions:
                growing[version].add(period.versions[version])
        if all(counts.requests >= gate.min_requests for counts in growing.values()):
            looks.append(growing)
            growing = {version: VersionCounts() for version in versions}
    return looks


def _decide(
    gate: TechnicalGate, *, errors: Sequence[TechnicalLook], latency: Sequence[TechnicalLook]
) -> dict[Quantity, TechnicalVerdict]:
    series: dict[Quantity, Sequence[TechnicalLook]] = {"errors": errors, "latency": latency}
    return {
        quantity: TechnicalVerdict(looks[-gate.of :], _find_outcome(looks[-gate.of :], gate))
        for quantity, looks in series.items()
        if looks
    }


def _find_outcome(
    looks: Sequence[TechnicalLook], gate: TechnicalGate
) -> Literal["bad", "good", "unclear"]:
    enough = sum(look.is_bad for look in looks) >= gate.bad
    if looks[-1].is_bad:
        return "bad" if enough else "unclear"
    return "unclear" if enough else "good"
