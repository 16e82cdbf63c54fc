"""Causes of episodes: the kind and the subject, in one text."""

from __future__ import annotations

from typing import Final

FRESHNESS_KIND: Final = "silence"  # an episode of late data, by the freshness check
BAKE_KIND: Final = "bake"  # an episode of a bake window
LOST_KIND: Final = "lost"  # an episode of quarantined and refused rows, by ingest
DAMAGE_KIND: Final = "damage"  # an episode of damaged files of the state, by verify
PROMETHEUS_KIND: Final = "prometheus"  # an episode of an alert, by Alertmanager
TARGET_KIND: Final = "target"  # an episode of a target that does not follow the ledger
TECHNICAL_KIND: Final = "technical"  # an episode of errors or latency, by the technical gate

MINUTE_KINDS: Final = (FRESHNESS_KIND, LOST_KIND, DAMAGE_KIND, TECHNICAL_KIND, TARGET_KIND)
"""Kinds of episodes that other checks than the monitor open and close, each at its minute."""
SEPARATE_KINDS: Final = (*MINUTE_KINDS, PROMETHEUS_KIND)
"""Kinds of episodes that the monitor neither opens nor closes."""


def join_cause(kind: str, subject: str) -> str:
    """Return the cause of an episode: its kind and its subject."""
    return f"{kind}:{subject}"


def split_cause(cause: str) -> tuple[str, str]:
    """Return the kind and the subject of a cause."""
    kind, _, subject = cause.partition(":")
    return kind, subject
